"""Judges Sigma rules by the validators of pySigma. In: [YAML, ...]; out: what they find. JSON in and out."""

import json
import sys

from sigma.collection import SigmaCollection
from sigma.plugins import InstalledSigmaPlugins
from sigma.validation import SigmaValidator

# They fetch the list of techniques from the network.
FETCHING = {"attacktag", "d3_fendtag"}

validators = InstalledSigmaPlugins.autodiscover().validators
validator = SigmaValidator([kind for name, kind in validators.items() if name not in FETCHING])
rules = SigmaCollection.merge([SigmaCollection.from_yaml(text) for text in json.load(sys.stdin)])
json.dump([str(issue) for issue in validator.validate_rules(rules)], sys.stdout)
