"""What each counter counts and why it differs from the others, in a line each: for the table of `python -m evaluators.cost`."""

ABOUT = {
    "params_m": "all parameters; each is read when the network runs",
    "frozen_params_m": "the part that no training changes (random matrices)",
    "macs_g": "convolutions, linear layers, products of tokens; no bias, norm, activation. torch's FlopCounterMode, halved",
    "layer_macs_g": "the part of convolutions and linear layers",
    "mixing_macs_g": "the part between tokens: attention's products, matrices over positions",
    "attention_macs_g": "the two products of softmax attention alone; torch's counter reads 0 where a fused kernel runs",
    "macs_fvcore_g": "macs_g, and 5 an element of layer and group norm, 2 of batch norm, 4 of bilinear upsampling; "
    "fvcore alone reads fused attention as 0, and leaves out what its tracer sees no use for",
    "macs_ptflops_g": "macs_g, and biases, 2 an element of norms, 1 of pools, activations and upsampling; "
    "ptflops alone reads fused attention as 0",
    "macs_thop_g": "modules only: no product of tokens; norms at 4 an element, but group norm at 0",
    "flops_yolox_g": "twice thop 0.0.31: biases in, batch norm at 2 an element (4 when doubled); no product of tokens",
    "pool_adds_g": "additions of poolings: every count of multiply-adds reads a pooling of any size as nothing, or as 1 an element",
    "norm_elements_m": "elements that norms go over, whatever a tool charges for each",
    "memory_mb": "highest number of bytes alive at once, weights included",
    "weight_traffic_mb": "bytes of weights and buffers read, each operator for itself",
    "activation_traffic_mb": "bytes of maps read and written, each operator for itself, attention's scores kept inside",
}
"""In the order of the table; a plug-in's counters follow."""
