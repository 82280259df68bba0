"""DICOM: what a header says, how stored values become gray, and whom it must not name.

`parse` reads a file, `header` what it says of the picture, `pixels` its stored values, `gray` turns
these into gray levels, `image` puts the picture upright, `pseudonyms` hides who is on it.
"""
