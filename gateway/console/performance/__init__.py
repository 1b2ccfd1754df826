"""Performance: runs, and how fast each part of one was; everything shown has its question in SQL."""
