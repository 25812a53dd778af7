"""Set-up without root: a private Python environment, Java, Azkaban; see ``python3 -m setup -h``."""
