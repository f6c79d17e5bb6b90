"""How a pipeline is put on its device: number format, memory layout, quantisation, attention, compiling, offloading.
Each is one switch of `[load]`. Imports torch: reach it only through `models.diffusion`, which first says how torch's
threads wait."""

import logging
from collections.abc import Iterator
from typing import Any

import torch
from diffusers.models.attention_dispatch import attention_backend
from torch._dynamo.exc import TorchDynamoException

from jobs.errors import ModelUnavailable
from models.entry import Load

log = logging.getLogger(__name__)

_SHAPES = 64  # that one compiled denoiser keeps code for; torch's own limit is 8
_QUANTIZATIONS = {
    "int8wo": "Int8WeightOnlyConfig",
    "int8dq": "Int8DynamicActivationInt8WeightConfig",
    "float8wo": "Float8WeightOnlyConfig",
}


def resolve_device(wanted: str, index: int | None = None) -> str:
    """`auto` means an accelerator where there is one; of several GPUs, the one of that index."""
    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return f"cuda:{(index or 0) % torch.cuda.device_count()}"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def limit_threads(most: int) -> None:
    """Of torch, for one pipeline on a CPU; 0: torch decides."""
    if most:
        torch.set_num_threads(most)


def choose_dtype(wanted: str, device: str) -> torch.dtype:
    """`auto`: bfloat16 where a GPU computes in it, float16 on other accelerators, float32 on a CPU."""
    if wanted != "auto":
        dtype: torch.dtype = getattr(torch, wanted)
        return dtype
    if device.startswith("cuda"):
        with torch.cuda.device(device):
            able = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if able else torch.float16
    return torch.float16 if device == "mps" else torch.float32


def place(pipeline: Any, load: Load, device: str) -> None:
    """Put a pipeline that was read into RAM on its device, as its TOML says.

    Raises:
        ModelUnavailable: something that the TOML asks for is not installed here, or this pipeline lacks it.
        torch.OutOfMemoryError: it does not fit.
    """
    denoiser = _denoiser(pipeline)
    if load.channels_last:
        _reorder(pipeline, denoiser)
    if load.quantize:
        _quantize(denoiser, load.quantize)
    if load.attention:
        _choose_attention(denoiser, load.attention)
    _move(pipeline, load.offload, device)
    if load.compile:
        _compile(denoiser, device)


def _denoiser(pipeline: Any) -> Any:
    return getattr(pipeline, "unet", None) or getattr(pipeline, "transformer", None)


def _reorder(pipeline: Any, denoiser: Any) -> None:
    """Convolutions of half precision are faster so. A transformer has next to none: its decoder alone gains."""
    for part in (denoiser, getattr(pipeline, "vae", None)):
        if part is not None:
            part.to(memory_format=torch.channels_last)


def _quantize(denoiser: Any, how: str) -> None:
    try:
        from torchao import quantization
    except ImportError as fault:
        raise ModelUnavailable(f'quantize = "{how}" needs torchao: pip install torchao') from fault
    quantization.quantize_(denoiser, getattr(quantization, _QUANTIZATIONS[how])())


def _choose_attention(denoiser: Any, backend: str) -> None:
    if not any(hasattr(processor, "_attention_backend") for processor in _processors(denoiser)):
        raise ModelUnavailable(f'attention = "{backend}": diffusers offers no choice for this denoiser')
    try:
        with attention_backend("native"):  # afterwards it holds again for models that choose nothing
            denoiser.set_attention_backend(backend)
    except (ValueError, RuntimeError, ImportError) as fault:
        raise ModelUnavailable(f'attention = "{backend}": {fault}') from fault


def _processors(denoiser: Any) -> Iterator[Any]:
    return (module.processor for module in denoiser.modules() if hasattr(module, "processor"))


def _move(pipeline: Any, offload: str, device: str) -> None:
    """`group` keeps the next layers of the denoiser and the text encoders on the device, in good time."""
    if offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)
    elif offload == "group":
        pipeline.enable_group_offload(
            onload_device=torch.device(device),
            offload_type="leaf_level",
            use_stream=device.startswith("cuda"),
        )
    else:
        pipeline.to(device)


def _compile(denoiser: Any, device: str) -> None:
    """One code for each shape, made when it is first met: fixed sizes are the faster ones, and `batch.sizes` keeps
    them few. Where that fails, for want of a compiler for example, the denoiser goes on as it is."""
    torch._dynamo.config.recompile_limit = _SHAPES
    denoiser.compile(dynamic=False)
    compiled = denoiser._compiled_call_impl

    def call(*values: Any, **named: Any) -> Any:
        try:
            return compiled(*values, **named)
        except TorchDynamoException as fault:
            log.warning("compile = true is left out, it failed on %s: %s", device, str(fault).strip().split("\n")[0])
            denoiser._compiled_call_impl = None
            return denoiser(*values, **named)

    denoiser._compiled_call_impl = call
