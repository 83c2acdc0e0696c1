"""Load, cut, adapt, train and run local models. Knows nothing of the flow.

Importing this package is cheap and silences the telemetry of the libraries below it; they are
imported inside functions.
"""

import os

os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
