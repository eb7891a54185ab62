"""`winnow export sam-audio`: a SAM Audio checkpoint as a bundle of ONNX graphs."""
