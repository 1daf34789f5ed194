"""The shipped detections: compiled by the compilers of Sigma, and run over events."""
