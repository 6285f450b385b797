"""What backend and worker would else write twice. The standard library only, and nothing else of ours."""
