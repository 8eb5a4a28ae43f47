"""An OTLP receiver as a process of its own: parses what it is sent with OpenTelemetry's own definitions and says it
again as JSON, one line per request, after a line with its port. `collector.py PORT STATUS...`: 0 is any port; the first
answers have these statuses, all others 200."""

import gzip
import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

statuses = [int(word) for word in sys.argv[2:]]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        packed = self.headers.get("Content-Encoding") == "gzip"
        status = statuses.pop(0) if statuses else 200
        heard: dict[str, Any] = {"path": self.path, "headers": dict(self.headers), "status": status, "gzip": packed}
        request = ExportMetricsServiceRequest.FromString(gzip.decompress(body) if packed else body)
        print(json.dumps(heard | MessageToDict(request)), flush=True)
        answer = ExportMetricsServiceResponse().SerializeToString()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
print(server.server_port, flush=True)
server.serve_forever()
