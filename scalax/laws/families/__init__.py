"""The laws, a file each: every module here that defines FAMILY (a `Family`, or a tuple of them) is found."""
