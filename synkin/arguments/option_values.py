"""The values that options may have. They stand here without imports, so that the command line can name them quickly."""

METHODS = ("exp_euler", "exact")
OVERLAPS = ("restart", "ignore")
LOSSES = ("linear", "soft_l1")
