"""Lines of code that load a detector's files and find objects: Kotlin on Android, Python, and C++ with MACE.

Each reads anchors and thresholds from the `.detection.json` of the bundle, so that nothing stands there twice.
"""

from string import Template

from mogakit.export.detection.files import DetectionMetadata

_PYTHON = Template('''\
"""Find objects in one image with the bundle's float32 file. Needs ai-edge-litert, numpy and pillow."""

import json
import sys
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

MODELS = Path(__file__).resolve().parent.parent / "models"
THRESHOLD = 0.3
about = json.loads((MODELS / "$metadata").read_text())
anchors = np.array(about["anchors"])


def overlap(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    corner, far = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.maximum(far - corner, 0), axis=1)
    return common / (np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1) - common)


image = Image.open(sys.argv[1]).convert("RGB")
side = about["input_size"]
pixels = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR), np.float32) / 255
interpreter = Interpreter(model_path=str(MODELS / "$tflite"), num_threads=4)
interpreter.allocate_tensors()
pixels = ((pixels - about["mean"]) / about["std"])[np.newaxis].astype(np.float32)
interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
interpreter.invoke()
codes, scores = (interpreter.get_tensor(each["index"])[0] for each in interpreter.get_output_details())

codes = codes / about["code_scales"]
centres = codes[:, :2] * anchors[:, 2:] + anchors[:, :2]
sizes = np.exp(codes[:, 2:]) * anchors[:, 2:]
boxes = np.clip(np.concatenate((centres - sizes / 2, centres + sizes / 2), axis=1), 0, 1)
for label in range(1, scores.shape[1]):
    left = [row for row in np.argsort(-scores[:, label]) if scores[row, label] >= THRESHOLD]
    while left:
        best = left.pop(0)
        top, start, bottom, end = boxes[best] * ([image.height, image.width] * 2)
        print(label, round(float(scores[best, label]), 3), start, top, end, bottom)
        if left:
            apart = overlap(boxes[best], boxes[left]) <= about["post_processing"]["iou_threshold"]
            left = [row for row, keep in zip(left, apart) if keep]
''')

_KOTLIN = Template("""\
// Gradle: implementation("com.google.ai.edge.litert:litert:1.4.0")
// Put $tflite and $metadata into src/main/assets, and keep the first uncompressed:
// android { androidResources { noCompress += "tflite" } }
import android.content.Context
import android.graphics.Bitmap
import android.graphics.RectF
import java.io.FileInputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.channels.FileChannel
import kotlin.math.exp
import kotlin.math.max
import kotlin.math.min
import org.json.JSONArray
import org.json.JSONObject
import org.tensorflow.lite.Interpreter

private const val SIZE = $size
private const val ANCHORS = $anchors
private const val SLOTS = $slots  // column 0 of the scores is the background

/** `box` in shares of the image; `label` from 1 on. */
data class Found(val box: RectF, val label: Int, val score: Float)

class Detector(context: Context) {
    private val about = JSONObject(context.assets.open("$metadata").bufferedReader().use { it.readText() })
    private val anchors = about.getJSONArray("anchors")
    private val mean = floats(about.getJSONArray("mean"))
    private val std = floats(about.getJSONArray("std"))
    private val scales = floats(about.getJSONArray("code_scales"))
    private val iou = about.getJSONObject("post_processing").getDouble("iou_threshold").toFloat()
    private val interpreter = context.assets.openFd("$tflite").use { asset ->
        FileInputStream(asset.fileDescriptor).channel.use { channel ->
            val model = channel.map(FileChannel.MapMode.READ_ONLY, asset.startOffset, asset.declaredLength)
            Interpreter(model, Interpreter.Options().setNumThreads(4))
        }
    }

    fun find(image: Bitmap, threshold: Float = 0.3f): List<Found> {
        val square = Bitmap.createScaledBitmap(image, SIZE, SIZE, true)
        val input = ByteBuffer.allocateDirect(4 * SIZE * SIZE * 3).order(ByteOrder.nativeOrder())
        val pixels = IntArray(SIZE * SIZE)
        square.getPixels(pixels, 0, SIZE, 0, 0, SIZE, SIZE)
        for (pixel in pixels) {
            for ((channel, shift) in intArrayOf(16, 8, 0).withIndex()) {
                input.putFloat((((pixel shr shift) and 0xFF) / 255f - mean[channel]) / std[channel])
            }
        }
        input.rewind()
        val boxes = Array(1) { Array(ANCHORS) { FloatArray(4) } }
        val scores = Array(1) { Array(ANCHORS) { FloatArray(SLOTS) } }
        interpreter.runForMultipleInputsOutputs(arrayOf<Any>(input), mapOf(0 to boxes, 1 to scores))
        return (1 until SLOTS).flatMap { label ->
            val left = (0 until ANCHORS).filter { scores[0][it][label] >= threshold }
                .sortedByDescending { scores[0][it][label] }
                .map { Found(decode(boxes[0][it], anchors.getJSONArray(it)), label, scores[0][it][label]) }
            suppress(left)
        }.sortedByDescending { it.score }
    }

    private fun decode(code: FloatArray, anchor: JSONArray): RectF {
        val (y, x, h, w) = floats(anchor).toList()
        val centreY = code[0] / scales[0] * h + y
        val centreX = code[1] / scales[1] * w + x
        val halfHigh = exp(code[2] / scales[2]) * h / 2
        val halfWide = exp(code[3] / scales[3]) * w / 2
        return RectF(
            max(0f, centreX - halfWide), max(0f, centreY - halfHigh),
            min(1f, centreX + halfWide), min(1f, centreY + halfHigh),
        )
    }

    private fun suppress(sorted: List<Found>): List<Found> {
        val kept = mutableListOf<Found>()
        for (each in sorted) if (kept.none { overlap(it.box, each.box) > iou }) kept.add(each)
        return kept
    }

    private fun overlap(a: RectF, b: RectF): Float {
        val wide = max(0f, min(a.right, b.right) - max(a.left, b.left))
        val high = max(0f, min(a.bottom, b.bottom) - max(a.top, b.top))
        return wide * high / (a.width() * a.height() + b.width() * b.height() - wide * high)
    }

    private fun floats(values: JSONArray) = FloatArray(values.length()) { values.getDouble(it).toFloat() }
}
""")

_CPP = Template("""\
// MACE v1.0.4 and earlier: load $mace_net. MACE v1.1.1 and later: load $mace_multi.
// The weights are in $mace_data for both, and for the GPU files beside them.
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "mace/public/mace.h"

std::vector<unsigned char> ReadFile(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Codes ($anchors x 4) and scores ($anchors x $slots, column 0 is the background) of an image, row by row.
// $metadata says how they become boxes.
struct Raw {
  std::vector<float> codes, scores;
};

// `image`: $size x $size x 3 (the whole image, stretched), rows first, channels last,
// (value / 255 - mean) / std with mean $mean and std $std.
Raw Detect(const std::string &graph_path, const std::string &weights_path, const std::vector<float> &image) {
  // Each map of the pyramid is an output of its own; one behind the other they are the rows.
  const std::vector<std::pair<std::string, std::vector<int64_t>>> ends = {
$ends
  };
  const std::vector<unsigned char> graph = ReadFile(graph_path), weights = ReadFile(weights_path);
#ifdef MACE_BEFORE_1_1
  mace::MaceEngineConfig config(mace::DeviceType::CPU);
#else
  mace::MaceEngineConfig config;  // the file names its runtime
#endif
  config.SetCPUThreadPolicy(4, mace::CPUAffinityPolicy::AFFINITY_BIG_ONLY);
  std::vector<std::string> names;
  std::map<std::string, mace::MaceTensor> outputs;
  std::map<std::string, size_t> lengths;
  for (const auto &end : ends) {
    size_t length = 1;
    for (const int64_t size : end.second) length *= size;
    auto buffer = std::shared_ptr<float>(new float[length], std::default_delete<float[]>());
    names.push_back(end.first);
    outputs[end.first] = mace::MaceTensor(end.second, buffer);
    lengths[end.first] = length;
  }
  std::shared_ptr<mace::MaceEngine> engine;
  const mace::MaceStatus created = mace::CreateMaceEngineFromProto(
      graph.data(), graph.size(), weights.data(), weights.size(), {"$input_name"}, names, config, &engine);
  if (created != mace::MaceStatus::MACE_SUCCESS) throw std::runtime_error(created.information());
  auto in = std::shared_ptr<float>(new float[image.size()], std::default_delete<float[]>());
  std::copy(image.begin(), image.end(), in.get());
  const std::map<std::string, mace::MaceTensor> inputs = {
      {"$input_name", mace::MaceTensor({1, $size, $size, 3}, in)}};
  const mace::MaceStatus ran = engine->Run(inputs, &outputs);
  if (ran != mace::MaceStatus::MACE_SUCCESS) throw std::runtime_error(ran.information());
  Raw raw;
  for (const auto &end : ends) {
    const float *first = outputs[end.first].data().get();
    std::vector<float> &rows = end.first.rfind("boxes", 0) == 0 ? raw.codes : raw.scores;
    rows.insert(rows.end(), first, first + lengths[end.first]);
  }
  return raw;
}
""")


def render(
    metadata: DetectionMetadata,
    *,
    metadata_name: str,
    tflite: str,
    mace_multi: str,
    mace_net: str,
    mace_data: str,
    input_name: str,
    mace_outputs: tuple[tuple[str, tuple[int, ...]], ...],
) -> dict[str, str]:
    """Return the snippets by file name; the names are those of the bundle's files and tensors.

    Args:
        metadata: of the detector.
        mace_outputs: name and NHWC shape of each output of the MACE files.
    """
    ends = (f'      {{"{name}", {{{", ".join(map(str, shape))}}}}},' for name, shape in mace_outputs)
    values = {
        "metadata": metadata_name,
        "size": metadata.input_size,
        "anchors": len(metadata.anchors),
        "slots": metadata.num_classes + 1,
        "mean": ", ".join(map(str, metadata.mean)),
        "std": ", ".join(map(str, metadata.std)),
        "tflite": tflite,
        "mace_multi": mace_multi,
        "mace_net": mace_net,
        "mace_data": mace_data,
        "input_name": input_name,
        "ends": "\n".join(ends),
    }
    return {
        "load_android.kt": _KOTLIN.substitute(values),
        "load_python.py": _PYTHON.substitute(values),
        "load_mace.cc": _CPP.substitute(values),
    }
