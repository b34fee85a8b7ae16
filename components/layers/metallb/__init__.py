"""MetalLB: the layer and its BGP configuration."""
