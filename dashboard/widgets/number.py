"""Numbers as text, as the pages and the report write them; see :mod:`pipelines.methods.number`."""

from __future__ import annotations

from pipelines.methods.number import (
    SPACE as SPACE,
)
from pipelines.methods.number import (
    UNKNOWN as UNKNOWN,
)
from pipelines.methods.number import (
    count as count,
)
from pipelines.methods.number import (
    interval as interval,
)
from pipelines.methods.number import (
    milliseconds as milliseconds,
)
from pipelines.methods.number import (
    p_value as p_value,
)
from pipelines.methods.number import (
    percent as percent,
)
from pipelines.methods.number import (
    plural as plural,
)
from pipelines.methods.number import (
    points as points,
)
from pipelines.methods.number import (
    rate as rate,
)
from pipelines.methods.number import (
    seconds as seconds,
)
from pipelines.methods.number import (
    short_rate as short_rate,
)
from pipelines.methods.number import (
    signed as signed,
)
from pipelines.methods.number import (
    size as size,
)
