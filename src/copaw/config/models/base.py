"""What every configuration model has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ConfigModel(BaseModel):
    """A part of a configuration file. Fields that this version does not know are kept and written back.

    Nothing is checked on assignment: a patch is checked as a whole, so that its error names the full path.
    """

    model_config = ConfigDict(extra="allow", allow_inf_nan=False, use_attribute_docstrings=False)
