"""The kit's torch modules as Keras models, layer by layer, batch norm and all.

Read from the modules themselves through `torch.fx`, not from the kit's graph: what the kit's lowering and folding get
wrong, this road does not share.
"""

import operator
from collections.abc import Callable
from typing import Any

import keras
import torch
from torch import fx, nn


def keras_model(module: nn.Module, shape: tuple[int, ...]) -> keras.Model:
    """Return a channels-last Keras model with the module's weights, for one input of torch's shape (N, C, H, W).

    Raises:
        ValueError: the module has a layer or function that the kit's networks do not have.
    """
    traced = fx.symbolic_trace(module.eval())
    layers = dict(traced.named_modules())
    batch, channels, height, width = shape
    given = keras.Input((height, width, channels), batch_size=batch)
    found: dict[fx.Node, Any] = {}
    for node in traced.graph.nodes:
        values = [found[one] for one in node.all_input_nodes]
        if node.op == "placeholder":
            found[node] = given
        elif node.op == "call_module":
            found[node] = _layer(layers[node.target])(values[0])
        elif node.op == "call_function":
            found[node] = _function(node.target)(*values)
        elif node.op == "output":
            return keras.Model(given, values[0])
        else:
            raise ValueError(f"{node.op} {node.target}")
    raise ValueError("the module returns nothing")


def _layer(layer: nn.Module) -> Callable[[Any], Any]:
    match layer:
        case nn.Conv2d():
            return _convolution(layer)
        case nn.BatchNorm2d():
            norm = keras.layers.BatchNormalization(epsilon=layer.eps)
            return _with(norm, layer.weight, layer.bias, layer.running_mean, layer.running_var)
        case nn.Linear():
            return _with(keras.layers.Dense(layer.out_features), layer.weight.T, layer.bias)
        case nn.AdaptiveAvgPool2d():
            return keras.layers.GlobalAveragePooling2D(keepdims=True)
        case nn.ReLU():
            return keras.layers.ReLU()
        case nn.ReLU6():
            return keras.layers.ReLU(6.0)
        case nn.Sigmoid():
            return keras.layers.Activation("sigmoid")
        case nn.Hardsigmoid():  # in the form of keras.applications, which TFLiteConverter recognises
            return lambda x: keras.layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)
        case nn.Hardswish():
            return lambda x: keras.layers.Multiply()([x, keras.layers.ReLU(6.0)(x + 3.0) * (1.0 / 6.0)])
        case nn.Identity() | nn.Dropout():
            return lambda x: x
    raise ValueError(type(layer).__name__)


def _convolution(layer: nn.Conv2d) -> Callable[[Any], Any]:
    """Return a convolution; Keras' `same` pads as torch does at stride 1 only."""
    (kernel, _), (stride, _), padding = layer.kernel_size, layer.stride, int(layer.padding[0])
    same = stride == 1 and padding == kernel // 2
    options = {"strides": stride, "padding": "same" if same else "valid", "use_bias": layer.bias is not None}
    bias = [] if layer.bias is None else [layer.bias]
    if layer.groups == layer.in_channels and layer.groups > 1:
        depthwise = keras.layers.DepthwiseConv2D(kernel, **options)
        convolve = _with(depthwise, layer.weight.permute(2, 3, 0, 1), *bias)
    else:
        convolve = _with(
            keras.layers.Conv2D(layer.out_channels, kernel, **options), layer.weight.permute(2, 3, 1, 0), *bias
        )
    if same or padding == 0:
        return convolve
    return lambda x: convolve(keras.layers.ZeroPadding2D(padding)(x))


def _function(function: Any) -> Callable[..., Any]:
    if function is operator.add:
        return lambda a, b: keras.layers.Add()([a, b])
    if function is operator.mul:
        return lambda a, b: keras.layers.Multiply()([a, b])
    if function is torch.flatten:
        return keras.layers.Flatten()
    raise ValueError(str(function))


def _with(layer: keras.Layer, *weights: torch.Tensor | None) -> Callable[[Any], Any]:
    """Return the layer as a function that sets its weights when it is built."""

    def apply(value: Any) -> Any:
        made = layer(value)
        layer.set_weights([weight.detach().numpy() for weight in weights if weight is not None])
        return made

    return apply
