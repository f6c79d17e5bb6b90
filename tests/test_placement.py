"""How a pipeline is put on its device: each switch of [load], on a CPU. What they win is measured on a GPU."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from pydantic import ValidationError

from jobs.errors import ModelUnavailable
from models.diffusion import DiffusersRunner, choose_dtype
from models.entry import Load
from models.placement import place
from models.runner import Media
from tests.pipelines import tiny
from tests.test_pipeline import farthest, one, request

REPOSITORY = Path(__file__).parent.parent


def runner(folder: Path, **load: Any) -> DiffusersRunner:
    return DiffusersRunner(tiny(folder, load=load), "cpu")


def picture(folder: Path, **load: Any) -> Media:
    return one(runner(folder, **load), request())


def test_number_formats_are_chosen_by_device_unless_they_are_named() -> None:
    assert choose_dtype("auto", "cpu") is torch.float32
    assert choose_dtype("auto", "mps") is torch.float16
    assert choose_dtype("bfloat16", "cpu") is torch.bfloat16


def test_a_named_number_format_is_that_of_the_weights(tmp_path: Path) -> None:
    half = runner(tmp_path, dtype="bfloat16")
    assert half._pipeline.unet.dtype is half._pipeline.vae.dtype is torch.bfloat16
    assert farthest(one(half, request()), picture(tmp_path)) <= 16


@pytest.mark.parametrize(
    "load", [{"offload": "model"}, {"offload": "group"}, {"channels_last": True}], ids=lambda load: str(*load.items())
)
def test_where_the_weights_lie_and_how_changes_no_picture(tmp_path: Path, load: dict[str, Any]) -> None:
    assert farthest(picture(tmp_path, **load), picture(tmp_path)) <= 1


def test_channels_last_is_the_layout_of_the_convolutions(tmp_path: Path) -> None:
    laid = runner(tmp_path, channels_last=True)._pipeline
    for part in (laid.unet, laid.vae):
        kernels = [weight for weight in part.parameters() if weight.ndim == 4 and min(weight.shape) > 1]
        assert kernels
        assert all(kernel.is_contiguous(memory_format=torch.channels_last) for kernel in kernels)


def test_quantising_without_torchao_is_a_model_that_is_unavailable_and_says_what_is_missing(tmp_path: Path) -> None:
    if importlib.util.find_spec("torchao"):
        pytest.skip("torchao is installed here")
    with pytest.raises(ModelUnavailable, match="pip install torchao"):
        runner(tmp_path, quantize="int8wo")


@pytest.mark.parametrize("how", ["int8wo", "int8dq", "float8wo"])
def test_quantised_weights_draw_nearly_the_same_picture(tmp_path: Path, how: str) -> None:
    pytest.importorskip("torchao", reason="an optional library, which is not in the lock")
    assert 0 < farthest(picture(tmp_path, quantize=how), picture(tmp_path)) <= 32


def transformer() -> FluxPipeline:
    """As far as it is needed: a denoiser of the newer kind."""
    denoiser = FluxTransformer2DModel(
        in_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=8,
        pooled_projection_dim=8,
        axes_dims_rope=(4, 4, 8),
    )
    return FluxPipeline(FlowMatchEulerDiscreteScheduler(), None, None, None, None, None, denoiser)


def backends(pipeline: FluxPipeline) -> set[Any]:
    modules = pipeline.transformer.modules()
    return {module.processor._attention_backend for module in modules if hasattr(module, "processor")}


def test_an_attention_backend_is_that_of_its_own_model_only() -> None:
    choosing, other = transformer(), transformer()
    place(choosing, Load(attention="_native_math"), "cpu")
    place(other, Load(), "cpu")
    assert (backends(choosing), backends(other)) == ({"_native_math"}, {None})
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry

    assert _AttentionBackendRegistry.get_active_backend()[0].value == "native"


@pytest.mark.parametrize(("backend", "why"), [("flash", "flash-attn"), ("none_such", "must be one of")])
def test_an_attention_backend_that_is_not_here_is_a_model_that_is_unavailable(backend: str, why: str) -> None:
    with pytest.raises(ModelUnavailable, match=why):
        place(transformer(), Load(attention=backend), "cpu")


def test_a_denoiser_that_would_not_heed_an_attention_backend_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="offers no choice"):
        runner(tmp_path, attention="native")


def test_attention_kernels_that_would_be_downloaded_and_run_are_refused() -> None:
    for backend in ("flash_hub", "_flash_3_hub", "sage_hub"):
        with pytest.raises(ValidationError, match="download code"):
            Load(attention=backend)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_compiled_denoiser_draws_the_same_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    compiled = runner(tmp_path, compile=True)
    assert farthest(one(compiled, request()), picture(tmp_path)) <= 1
    if "compile = true is left out" not in caplog.text:
        assert compiled._pipeline.unet._compiled_call_impl is not None


def test_without_a_compiler_a_model_runs_as_it_is_and_the_log_says_why(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from tests.test_placement import picture\n"
        "picture(Path(sys.argv[1]), compile=True)\n"
    )
    environment = {"CXX": "no-such-compiler", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path / "inductor")}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "compile = true is left out, it failed on cpu: " in done.stderr
