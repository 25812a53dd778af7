"""Install Spark without root, try it on a cluster on this machine, and use it on real clusters.

- `install`: pyspark in an environment of its own, Hadoop's servers, the port guard;
- `cluster`: a small cluster on this machine: Spark's own kind (`standalone`) or Hadoop's (`yarn`);
- `environments`: the archive that holds an application's Python packages;
- `submit`: hands an application to a cluster and follows it to its end.
"""

from setup.spark.cluster import Cluster, running
from setup.spark.install import Spark

__all__ = ["Cluster", "Spark", "running"]
