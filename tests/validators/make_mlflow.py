"""Makes a store of MLflow at the given URI, as training scripts do."""
import os
import sys
import warnings

os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
warnings.filterwarnings("ignore")

import mlflow
from mlflow import MlflowClient

uri, scratch = sys.argv[1], sys.argv[2]
mlflow.set_tracking_uri(uri)
mlflow.set_experiment("risk")
with mlflow.start_run(run_name="train a") as run:
    mlflow.log_params({"lr": "0.01", "seed": "42"})
    for step in range(3):
        mlflow.log_metric("loss", 1.0 / (step + 1), step=step)
    mlflow.log_metric("f1", 0.9)
    mlflow.set_tag("team", "risk")
    mlflow.set_tag("mlflow.source.git.commit", "ea45dd2" * 5 + "ea45d")
    mlflow.log_text("weights", "model/model.txt")
    with mlflow.start_run(run_name="inner", nested=True):
        mlflow.log_metric("loss", 0.1)
try:
    with mlflow.start_run(run_name="fails"):
        mlflow.log_metric("loss", float("nan"))
        raise ValueError("on purpose")
except ValueError:
    pass
client = MlflowClient()
client.create_registered_model("risk_classifier")
for number in range(2):
    version = client.create_model_version(
        "risk_classifier", source=run.info.artifact_uri + "/model", run_id=run.info.run_id, tags={"k": str(number)}
    )
client.set_registered_model_alias("risk_classifier", "champion", version.version)
client.transition_model_version_stage("risk_classifier", version.version, "Production")

if len(sys.argv) > 3:
    # What MLflow 3 has beside: data sets, logged models, names with blanks, values that are not finite.
    import numpy
    from mlflow.pyfunc import PythonModel

    class Echo(PythonModel):
        def predict(self, context, model_input: list[str]) -> list[str]:
            return model_input

    with mlflow.start_run(run_name="third") as run:
        for step in range(3):
            mlflow.log_metric("acc", 0.5 + step / 10, step=step)
        mlflow.log_metric("wild", float("inf"))
        mlflow.log_input(mlflow.data.from_numpy(numpy.zeros((2, 2)), source="d.csv", name="small"), context="training")
        mlflow.pyfunc.log_model(name="model", python_model=Echo(), registered_model_name="Iris Clf")
