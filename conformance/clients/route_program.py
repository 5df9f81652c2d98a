"""An operator on the official client that brings its own kind, in two versions, and converts between them.

``v1`` of a Route says ``host`` and ``port`` and is stored; ``v2`` says ``address``. The operator works with
``v2`` alone: it holds every Route with a finalizer, tells in the status which address it serves, and keeps a
ConfigMap of each that went. Its webhook listens on this host, with a certificate of its own authority.
"""

import base64
import datetime
import ipaddress
import json
import ssl
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from kubernetes import client, config, watch

Json = dict[str, Any]

GROUP, PLURAL = "route.example.test", "routes"
NAME = f"{PLURAL}.{GROUP}"
FINALIZER = f"{GROUP}/operator"
HERE = "127.0.0.1"
PEM = serialization.Encoding.PEM


def convert(obj: Json, wanted: str) -> Json:
    """A Route in the other version."""
    spec = dict(obj["spec"])
    if wanted.endswith("/v2") and "host" in spec:
        spec["address"] = f"{spec.pop('host')}:{spec.pop('port')}"
    elif wanted.endswith("/v1") and "address" in spec:
        spec["host"], _, port = spec.pop("address").rpartition(":")
        spec["port"] = int(port)
    return {**obj, "apiVersion": wanted, "spec": spec}


class Conversion(BaseHTTPRequestHandler):
    """Answers reviews."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked = review["request"]
        review["response"] = {
            "uid": asked["uid"],
            "result": {"status": "Success"},
            "convertedObjects": [convert(obj, asked["desiredAPIVersion"]) for obj in asked["objects"]],
        }
        body = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def authority() -> tuple[bytes, bytes]:
    """A certificate for this host and its key, in one text, and the certificate of who signed it."""
    now = datetime.datetime.now(datetime.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    common = x509.NameOID.COMMON_NAME
    names = [x509.Name([x509.NameAttribute(common, name)]) for name in ("signer", "webhook")]
    signed = []
    for key, name in zip(keys, names, strict=True):
        builder = x509.CertificateBuilder(
            issuer_name=names[0],
            subject_name=name,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=now - datetime.timedelta(minutes=5),
            not_valid_after=now + datetime.timedelta(hours=1),
        )
        own = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HERE))])
        is_signer = name is names[0]
        builder = builder.add_extension(x509.BasicConstraints(ca=is_signer, path_length=None), critical=True)
        builder = builder if is_signer else builder.add_extension(own, critical=False)
        signed.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(PEM))
    private = keys[1].private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return signed[1] + private, signed[0]


def serve() -> tuple[int, bytes]:
    """Begin to answer reviews: the port, and whom the certificate is signed by."""
    pair, signer = authority()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pair)
        file.flush()
        context.load_cert_chain(file.name)
    server = ThreadingHTTPServer((HERE, 0), Conversion)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port, signer


def version(name: str, fields: Json, *, stored: bool) -> client.V1CustomResourceDefinitionVersion:
    """A version of the definition; the official client has a class for everything."""
    anything = client.V1JSONSchemaProps(type="object", x_kubernetes_preserve_unknown_fields=True)
    spec = client.V1JSONSchemaProps(
        type="object",
        required=list(fields),
        properties={key: client.V1JSONSchemaProps(type=kind) for key, kind in fields.items()},
    )
    schema = client.V1JSONSchemaProps(type="object", properties={"spec": spec, "status": anything})
    return client.V1CustomResourceDefinitionVersion(
        name=name,
        served=True,
        storage=stored,
        schema=client.V1CustomResourceValidation(open_apiv3_schema=schema),
        subresources=client.V1CustomResourceSubresources(status={}),
    )


def define(port: int, signer: bytes) -> None:
    """Create the definition, and wait until it is served."""
    api = client.ApiextensionsV1Api()
    where = client.ApiextensionsV1WebhookClientConfig(
        url=f"https://{HERE}:{port}/convert", ca_bundle=base64.b64encode(signer).decode()
    )
    webhook = client.V1WebhookConversion(client_config=where, conversion_review_versions=["v1"])
    versions = [
        version("v1", {"host": "string", "port": "integer"}, stored=True),
        version("v2", {"address": "string"}, stored=False),
    ]
    spec = client.V1CustomResourceDefinitionSpec(
        group=GROUP,
        scope="Namespaced",
        names=client.V1CustomResourceDefinitionNames(plural=PLURAL, kind="Route"),
        versions=versions,
        conversion=client.V1CustomResourceConversion(strategy="Webhook", webhook=webhook),
    )
    api.create_custom_resource_definition(
        client.V1CustomResourceDefinition(metadata=client.V1ObjectMeta(name=NAME), spec=spec)
    )
    chosen = f"metadata.name={NAME}"
    for event in watch.Watch().stream(api.list_custom_resource_definition, field_selector=chosen):
        conditions = (event["object"].status.conditions if event["object"].status else None) or []
        if any(each.type == "Established" and each.status == "True" for each in conditions):
            return


def follow(route: Json, namespace: str) -> None:
    """Do for a Route what has to be done next."""
    api, metadata = client.CustomObjectsApi(), route["metadata"]
    place = (GROUP, "v2", namespace, PLURAL, metadata["name"])
    finalizers = metadata.get("finalizers", [])
    if metadata.get("deletionTimestamp"):
        if FINALIZER in finalizers:
            note = client.V1ConfigMap(
                metadata=client.V1ObjectMeta(name=f"{metadata['name']}-gone"),
                data={"address": route["spec"]["address"]},
            )
            client.CoreV1Api().create_namespaced_config_map(namespace, note)
            api.patch_namespaced_custom_object(*place, {"metadata": {"finalizers": None}})
        return
    if FINALIZER not in finalizers:
        api.patch_namespaced_custom_object(*place, {"metadata": {"finalizers": [FINALIZER]}})
    serving = {"serving": route["spec"]["address"], "observedGeneration": metadata["generation"]}
    if route.get("status") != serving:
        api.patch_namespaced_custom_object_status(*place, {"status": serving})


def main(namespace: str) -> None:
    config.load_kube_config()
    define(*serve())
    routes = client.CustomObjectsApi().list_namespaced_custom_object
    while True:
        for event in watch.Watch().stream(routes, GROUP, "v2", namespace, PLURAL):
            if event["type"] in ("ADDED", "MODIFIED"):
                follow(event["object"], namespace)


if __name__ == "__main__":
    main(sys.argv[1])
