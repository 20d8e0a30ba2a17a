"""The application as a whole: pages, headers, and what its process may load."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.service.conftest import Served

ROOT = Path(__file__).parents[2]


def test_the_api_process_loads_no_heavy_package() -> None:
    code = "import sys, service.app; print(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "numba", "onnxruntime", "cv2", "h5py", "faery"} & set(run.stdout.split())


def test_the_page_may_load_from_here_alone(server: Served) -> None:
    with server.client() as client:
        page = client.get("/")
        links = [
            link for link in re.findall(r'(?:src|href)="([^"#]+)"', page.text) if link.startswith("/web/")
        ]
        found = {link: client.get(link) for link in links}
    assert page.headers["cache-control"] == "no-cache"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert links
    assert {link: answer.status_code for link, answer in found.items()} == dict.fromkeys(links, 200)
    assert {answer.headers["x-content-type-options"] for answer in found.values()} == {"nosniff"}


def test_files_that_did_not_change_are_not_sent_again(server: Served) -> None:
    with server.client() as client:
        first = client.get("/web/index.html")
        second = client.get("/web/index.html", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, second.status_code) == (200, 304)


def test_no_file_outside_the_page_is_served(server: Served) -> None:
    with server.client() as client:
        for path in ("/web/../app.py", "/web/%2e%2e/app.py", "/web//etc/passwd", "/docs/static/../core.py"):
            assert client.get(path).status_code == 404


def test_the_docs_need_no_other_host(server: Served) -> None:
    with server.client() as client:
        page = client.get("/docs")
        assert not re.search(r"https?://", page.text)
        for link in re.findall(r'(?:src|href)="([^"]+)"', page.text):
            assert client.get(link).status_code == 200


def test_the_description_names_every_route_and_one_shape_of_problems(server: Served) -> None:
    with server.client() as client:
        schema = client.get("/openapi.json").json()
    assert {"/detect", "/jobs/{job_id}/events", "/streams/{stream_id}/reset", "/metrics"} <= set(
        schema["paths"]
    )
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    for operations in schema["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if status >= "400":
                    assert list(answer["content"]) == ["application/problem+json"]
