"""The other files of this folder are tables, which `test_advice.py` reads."""

collect_ignore_glob = ["*.py"]
