"""``copaw doctor``: one check a function, each finding with its mend."""
