"""Real pipelines of other kinds than `scenes`, as large publishers ship them, with random weights that are small
enough to run in a moment. Read back by the example TOMLs, so that those are tested as well."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLWan,
    AutoencoderOobleck,
    DDPMScheduler,
    EDMDPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    StableAudioDiTModel,
    StableAudioPipeline,
    StableAudioProjectionModel,
    StableDiffusionUpscalePipeline,
    UNet2DConditionModel,
    WanPipeline,
    WanTransformer3DModel,
)
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast, T5Config, T5EncoderModel, UMT5Config, UMT5EncoderModel

from models.catalog import SHIPPED, read_entry
from models.entry import Entry, Load, Source
from tests.pipelines import tiny

EXAMPLES = SHIPPED.parent / "examples"


def foreign(name: str, folder: Path) -> Entry:
    """The example of that name, its weights small and random, in `folder`."""
    entry = read_entry(EXAMPLES / f"{name}.toml")
    assert isinstance(entry, Entry), entry
    torch.manual_seed(0)
    _MADE[name](folder).save_pretrained(folder / name)
    changes = {"source": Source(folder=folder / name), "load": Load()}
    return entry.model_copy(update=changes).placed(folder)


def _tokenizer() -> Any:
    words = {"<pad>": 0, "</s>": 1, "<unk>": 2, "a": 3, "sea": 4, "by": 5, "night": 6}
    tokenizer = Tokenizer(WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    named = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "model_max_length": 16}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)


def _video(_: Path) -> WanPipeline:
    text = UMT5Config(vocab_size=8, d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4)
    return WanPipeline(
        tokenizer=_tokenizer(),
        text_encoder=UMT5EncoderModel(text).eval(),
        vae=AutoencoderKLWan(
            base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=7.0),
        transformer=WanTransformer3DModel(
            patch_size=(1, 2, 2),
            num_attention_heads=2,
            attention_head_dim=12,
            in_channels=16,
            out_channels=16,
            text_dim=32,
            freq_dim=256,
            ffn_dim=32,
            num_layers=2,
            cross_attn_norm=True,
            qk_norm="rms_norm_across_heads",
            rope_max_seq_len=32,
        ),
    )


def _sound(_: Path) -> StableAudioPipeline:
    text = T5Config(vocab_size=8, d_model=4, d_kv=4, d_ff=8, num_layers=1, num_heads=1)
    return StableAudioPipeline(
        vae=AutoencoderOobleck(
            encoder_hidden_size=6,
            downsampling_ratios=[20, 20],
            decoder_channels=3,
            decoder_input_channels=3,
            audio_channels=2,
            channel_multiples=[2, 4],
            sampling_rate=8000,
        ),
        text_encoder=T5EncoderModel(text).eval(),
        projection_model=StableAudioProjectionModel(
            text_encoder_dim=4, conditioning_dim=4, min_value=0, max_value=32
        ),
        tokenizer=_tokenizer(),
        transformer=StableAudioDiTModel(
            sample_size=64,
            in_channels=3,
            num_layers=2,
            attention_head_dim=4,
            num_key_value_attention_heads=2,
            out_channels=3,
            cross_attention_dim=4,
            time_proj_dim=8,
            global_states_input_dim=8,
            cross_attention_input_dim=4,
        ),
        scheduler=EDMDPMSolverMultistepScheduler(
            solver_order=2, prediction_type="v_prediction", sigma_data=1.0, sigma_schedule="exponential"
        ),
    )


def _enlarger(folder: Path) -> StableDiffusionUpscalePipeline:
    """With the words of `scenes`."""
    from transformers import CLIPTextModel, CLIPTokenizer

    weights = tiny(folder).weights_folder
    assert weights is not None
    words = CLIPTextModel.from_pretrained(weights / "text_encoder")
    return StableDiffusionUpscalePipeline(
        vae=AutoencoderKL(
            block_out_channels=[8, 8, 8],
            down_block_types=["DownEncoderBlock2D"] * 3,
            up_block_types=["UpDecoderBlock2D"] * 3,
            latent_channels=4,
            scaling_factor=0.08333,
            norm_num_groups=4,
        ),
        text_encoder=words,
        tokenizer=CLIPTokenizer.from_pretrained(weights / "tokenizer"),
        unet=UNet2DConditionModel(
            block_out_channels=(8, 16),
            layers_per_block=1,
            in_channels=7,
            out_channels=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=8,
            norm_num_groups=4,
            cross_attention_dim=words.config.hidden_size,
            num_class_embeds=1000,
        ),
        low_res_scheduler=DDPMScheduler(),
        scheduler=EulerDiscreteScheduler(prediction_type="v_prediction"),
        max_noise_level=350,
    )


_MADE: dict[str, Callable[[Path], Any]] = {"wan-t2v": _video, "stable-audio": _sound, "sd-x4-upscaler": _enlarger}
