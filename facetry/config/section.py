"""What every section of params.yaml is made of."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]


class Section(BaseModel):
    """The base of every section: immutable and closed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
