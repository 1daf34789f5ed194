"""Each sink against a receiver that behaves as its documentation says."""
