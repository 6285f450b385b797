"""What every part of ResDrop agrees on. Pydantic and the standard library only; it imports nothing of ours."""

VERSION = "0.1.0"
