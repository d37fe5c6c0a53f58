"""What `speed.py` runs, each in a process of its own: plait, a reference and other libraries.

A script is run as `python -m _rivals.NAME JOB.json` by the Python of its own environment, which may
have neither plait nor scikit-learn: only `plait.py` imports plait, and nothing here needs more than
torch, numpy and pyarrow beside the library that it measures.
"""
