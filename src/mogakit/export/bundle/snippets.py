"""Lines of code that load a bundle's files: Kotlin on Android, Python, and C++ with MACE."""

from string import Template

from mogakit.export.preprocessing import Preprocessing

_KOTLIN = Template("""\
// Gradle: implementation("com.google.ai.edge.litert:litert:1.0.1")
// Put $tflite into src/main/assets, and keep it uncompressed: android { androidResources { noCompress += "tflite" } }
import android.content.Context
import android.graphics.Bitmap
import java.io.FileInputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel
import org.tensorflow.lite.Interpreter

private const val SIZE = $size
private val MEAN = floatArrayOf($mean_f)
private val STD = floatArrayOf($std_f)

fun loadModel(context: Context): Interpreter =
    context.assets.openFd("$tflite").use { asset ->
        FileInputStream(asset.fileDescriptor).channel.use { channel ->
            val model = channel.map(FileChannel.MapMode.READ_ONLY, asset.startOffset, asset.declaredLength)
            Interpreter(model, Interpreter.Options().setNumThreads(4))
        }
    }

/** `image` is $size x $size: resize the shorter side to $resize pixels ($resample), then cut the centre. */
fun classify(interpreter: Interpreter, image: Bitmap): FloatArray {
    val input = ByteBuffer.allocateDirect(4 * SIZE * SIZE * 3).order(ByteOrder.nativeOrder())
    val pixels = IntArray(SIZE * SIZE)
    image.getPixels(pixels, 0, SIZE, 0, 0, SIZE, SIZE)
    for (pixel in pixels) {
        for ((channel, shift) in intArrayOf(16, 8, 0).withIndex()) {
            val value = ((pixel shr shift) and 0xFF) / 255f
            input.putFloat((value - MEAN[channel]) / STD[channel])
        }
    }
    input.rewind()
    val output = Array(1) { FloatArray($classes) }
    interpreter.run(input, output)
    return output[0]
}
""")

_PYTHON = Template('''\
"""Run the bundle's float32 file on one image. Needs ai-edge-litert, numpy and pillow."""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

SIZE, RESIZE = $size, $resize
MEAN = np.array([$mean], np.float32)
STD = np.array([$std], np.float32)


def preprocess(path: str) -> np.ndarray:
    image = Image.open(path).convert("RGB")
    scale = RESIZE / min(image.size)
    resized = tuple(max(RESIZE, round(side * scale)) for side in image.size)
    image = image.resize(resized, Image.Resampling.$resample_upper)
    left, top = (image.width - SIZE) // 2, (image.height - SIZE) // 2
    pixels = np.asarray(image.crop((left, top, left + SIZE, top + SIZE)), np.float32) / 255
    return ((pixels - MEAN) / STD)[np.newaxis].astype(np.float32)


interpreter = Interpreter(model_path="../models/$tflite", num_threads=4)
interpreter.allocate_tensors()
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], preprocess(sys.argv[1]))
interpreter.invoke()
scores = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
for index in np.argsort(scores)[::-1][:5]:
    print(index, scores[index])
''')

_CPP = Template("""\
// MACE v1.0.4 and earlier: load $mace_net. MACE v1.1.1 and later: load $mace_multi.
// The weights are in $mace_data for both, and for the GPU files beside them.
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "mace/public/mace.h"

std::vector<unsigned char> ReadFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// `image`: $size x $size x 3, rows first, channels last, (value / 255 - mean) / std with
// mean $mean and std $std.
std::vector<float> Classify(const std::string &graph_path, const std::string &weights_path,
                            const std::vector<float> &image) {
  const std::vector<unsigned char> graph = ReadFile(graph_path), weights = ReadFile(weights_path);
#ifdef MACE_BEFORE_1_1
  mace::MaceEngineConfig config(mace::DeviceType::CPU);
#else
  mace::MaceEngineConfig config;  // the file names its runtime
#endif
  config.SetCPUThreadPolicy(4, mace::CPUAffinityPolicy::AFFINITY_BIG_ONLY);
  std::shared_ptr<mace::MaceEngine> engine;
  const mace::MaceStatus created = mace::CreateMaceEngineFromProto(
      graph.data(), graph.size(), weights.data(), weights.size(), {"$input_name"}, {"$output_name"}, config, &engine);
  if (created != mace::MaceStatus::MACE_SUCCESS) throw std::runtime_error(created.information());

  auto in = std::shared_ptr<float>(new float[image.size()], std::default_delete<float[]>());
  std::copy(image.begin(), image.end(), in.get());
  auto out = std::shared_ptr<float>(new float[$classes], std::default_delete<float[]>());
  const std::map<std::string, mace::MaceTensor> inputs = {
      {"$input_name", mace::MaceTensor({1, $size, $size, 3}, in)}};
  std::map<std::string, mace::MaceTensor> outputs = {
      {"$output_name", mace::MaceTensor({1, 1, 1, $classes}, out)}};
  const mace::MaceStatus ran = engine->Run(inputs, &outputs);
  if (ran != mace::MaceStatus::MACE_SUCCESS) throw std::runtime_error(ran.information());
  return {out.get(), out.get() + $classes};
}
""")


def render(
    recipe: Preprocessing,
    *,
    num_classes: int,
    tflite: str,
    mace_multi: str,
    mace_net: str,
    mace_data: str,
    input_name: str,
    output_name: str,
) -> dict[str, str]:
    """Return the snippets by file name; the names are those of the bundle's files and tensors."""
    values = {
        "size": recipe.size,
        "resize": recipe.resize_shorter_side,
        "resample": recipe.resample.value,
        "resample_upper": recipe.resample.name,
        "mean": ", ".join(map(str, recipe.mean)),
        "std": ", ".join(map(str, recipe.std)),
        "mean_f": ", ".join(f"{value}f" for value in recipe.mean),
        "std_f": ", ".join(f"{value}f" for value in recipe.std),
        "classes": num_classes,
        "tflite": tflite,
        "mace_multi": mace_multi,
        "mace_net": mace_net,
        "mace_data": mace_data,
        "input_name": input_name,
        "output_name": output_name,
    }
    return {
        "load_android.kt": _KOTLIN.substitute(values),
        "load_python.py": _PYTHON.substitute(values),
        "load_mace.cc": _CPP.substitute(values),
    }
