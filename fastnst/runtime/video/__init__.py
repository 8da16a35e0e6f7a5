"""Clips in, restyled clips out: PyAV, numpy, Pillow and onnxruntime; never torch."""
