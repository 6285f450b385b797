"""Comparisons: runs that are alike in everything but one factor, and what it bought."""
