"""Asks for the end of an experiment through its artifact _status, with nothing but the client's API: ask_to_stop.py KEY"""

import json
import os
import sys

from studio import model

key = sys.argv[1]
with model.get_db_provider(model.get_config()) as db:
    status = db.get_experiment(key, getinfo=False).artifacts["_status"]
    os.makedirs(status.local_path, exist_ok=True)
    with open(os.path.join(status.local_path, "status.json"), "w") as f:
        json.dump({"key": key, "status": "stopped"}, f)
    print(status.upload())
