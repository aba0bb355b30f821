"""Small networks of Hugging Face and small graphs of ONNX, made here and not trained."""

LABELS = {0: "cat", 1: "dog", 2: "tripod"}
SMALL = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}


def vit(**options):
    """Make a vision transformer of pictures of 16 pixels, with random weights."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.ViTConfig(
        num_hidden_layers=2, image_size=16, patch_size=4, id2label=LABELS, **SMALL, **options
    )
    return transformers.ViTForImageClassification(config).eval()


def vit_processor(**options):
    import transformers

    return transformers.ViTImageProcessor(size={"height": 16, "width": 16}, **options)


def yolos():
    """Make a detector of three classes that finds five boxes."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.YolosConfig(
        num_hidden_layers=1, image_size=[16, 16], patch_size=4, num_detection_tokens=5,
        num_labels=3, **SMALL,
    )  # fmt: skip
    return transformers.YolosForObjectDetection(config).eval()


def clip():
    """Make a model that compares images with texts of "a", "cat" and "dog", and its processor."""
    import tokenizers
    import torch
    import transformers

    words = {"[UNK]": 0, "[PAD]": 1, "a": 2, "cat": 3, "dog": 4, "[EOS]": 5}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="[PAD]", unk_token="[UNK]", eos_token="[EOS]"
    )
    images = transformers.CLIPImageProcessor(
        size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}
    )
    tower = {"num_hidden_layers": 1, **SMALL}
    text = {**tower, "vocab_size": 6, "max_position_embeddings": 8, "eos_token_id": 5}
    text |= {"bos_token_id": 0, "pad_token_id": 1}
    torch.manual_seed(0)
    net = transformers.CLIPModel(
        transformers.CLIPConfig(
            text_config=text,
            vision_config={**tower, "image_size": 16, "patch_size": 4},
            projection_dim=8,
        )
    )
    return net.eval(), transformers.CLIPProcessor(image_processor=images, tokenizer=tokenizer)


def onnx_graph(shape, kind=1, n_inputs=1, nodes=None, outputs=("scores",)):
    """Make a graph that returns its input flattened, in floats; `kind` 1 is float32."""
    import onnx

    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    inputs = [
        helper.make_tensor_value_info(f"pixels{i or ''}", kind, shape) for i in range(n_inputs)
    ]
    given = [helper.make_tensor_value_info(name, float32, None) for name in outputs]
    nodes = nodes or [
        helper.make_node("Cast", ["pixels"], ["floats"], to=float32),
        helper.make_node("Flatten", ["floats"], ["scores"]),
    ]
    return helper.make_model(
        helper.make_graph(nodes, "graph", inputs, given),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )


def started(graph):
    """Start a session of ONNX Runtime on the CPU."""
    import onnxruntime

    return onnxruntime.InferenceSession(
        graph.SerializeToString(), providers=["CPUExecutionProvider"]
    )
