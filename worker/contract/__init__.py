"""What every part of ResDrop agrees on. Pydantic and the standard library only; it imports nothing of ours."""
