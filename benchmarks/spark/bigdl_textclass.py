"""The text classifier by BigDL's DistriOptimizer; benchmarks/spark/with_bigdl.py hands it to Spark.

Arguments: texts.npz of `jobs.textclass_load`, number of texts, epochs, batch size, units.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from bigdl.dllib.nn.criterion import ClassNLLCriterion
from bigdl.dllib.nn.layer import (
    GRU,
    BiRecurrent,
    Linear,
    LogSoftMax,
    LookupTable,
    Select,
    Sequential,
)
from bigdl.dllib.optim.optimizer import Adam, MaxEpoch, Optimizer, Top1Accuracy
from bigdl.dllib.utils.common import Sample, create_spark_conf, init_engine
from pyspark import SparkContext


def main() -> None:
    path = sys.argv[1]
    count, epochs, batch, hidden = map(int, sys.argv[2:])
    with np.load(path) as stored:
        x, y = stored["x_train"].T[:count] + 1.0, stored["y_train"][:count] + 1.0  # from 1 on
        held = stored["x_test"].T + 1.0, stored["y_test"] + 1.0
        names = json.loads(stored["names"].tobytes())
    context = SparkContext.getOrCreate(conf=create_spark_conf())
    init_engine()

    def samples(texts, classes):  # noqa: ANN001, ANN202 (BigDL has no types)
        rows = list(zip(texts, classes, strict=True))
        spread = context.parallelize(rows, context.defaultParallelism)
        return spread.map(lambda row: Sample.from_ndarray(row[0], np.array(row[1])))

    model = Sequential()
    model.add(LookupTable(len(names["words"]), hidden))
    model.add(BiRecurrent().add(GRU(hidden, hidden)))
    model.add(Select(2, -1)).add(Linear(hidden, len(names["classes"]))).add(LogSoftMax())
    optimizer = Optimizer(
        model=model,
        training_rdd=samples(x, y),
        criterion=ClassNLLCriterion(),
        optim_method=Adam(learningrate=0.003),
        end_trigger=MaxEpoch(epochs),
        batch_size=batch,
    )
    begin = time.monotonic()
    trained = optimizer.optimize()
    seconds = time.monotonic() - begin
    right = trained.evaluate(samples(*held), batch, [Top1Accuracy()])[0].result
    print("RESULT", json.dumps({"seconds": seconds, "accuracy": right}))
    context.stop()


if __name__ == "__main__":
    main()
