"""MetalLB: the layer, and the settings of its BGP mode."""
