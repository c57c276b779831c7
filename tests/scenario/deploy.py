"""What scripts/deploy holds (D5, D6): manifests that fit their schemas and harden what they start,
settings that exist, and a bill of materials without a surprise."""
import json
import os
import re
import subprocess
import tempfile
import unittest

import yaml

from harness import main, run_once

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEPLOY = os.path.join(TOP, "scripts", "deploy")
TOOLS = os.path.join(TOP, "build", "tools", "python", "bin")
RELEASE = os.environ["WEIR_RELEASE_BINARY"]
CLOUD_RUN = {"IMAGE": "example.com/weir:1", "SERVICE_ACCOUNT": "weir@example.com",
             "JWT_JWKS_URL": "https://issuer.example.com/jwks.json",
             "JWT_ISSUER": "https://issuer.example.com/", "JWT_AUDIENCE": "weir"}


def documents(name):
    with open(os.path.join(DEPLOY, name), encoding="utf-8") as file:
        return list(yaml.safe_load_all(file))


def cloud_run(*words, **changes):
    return subprocess.run([os.path.join(DEPLOY, "cloud-run.sh"), "--print", *words],
                          capture_output=True, text=True, timeout=60,
                          env={**os.environ, **CLOUD_RUN, **changes})


class Settings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        table = run_once("--settings-markdown", binary=RELEASE).stdout
        cls.known = set(re.findall(r"^\| `([A-Z0-9_]+)` \|", table, re.M))
        assert "PORT" in cls.known

    def assert_known(self, names):
        self.assertGreater(len(names), 2)
        for name in names:
            plain = name.removesuffix("_FILE")
            self.assertTrue(name in self.known or plain in self.known, name)

    def test_kubernetes(self):
        maps = [d for d in documents("kubernetes.yaml") if d["kind"] == "ConfigMap"]
        self.assert_known(list(maps[0]["data"]))

    def test_compose(self):
        self.assert_known(list(documents("compose.yaml")[0]["services"]["weir"]["environment"]))

    def test_cloud_run(self):
        service = yaml.safe_load(cloud_run("project", "region").stdout)
        container = service["spec"]["template"]["spec"]["containers"][0]
        self.assert_known([e["name"] for e in container["env"]])


class Manifests(unittest.TestCase):
    def assert_checked(self, text, misspelt, *command):
        """The tool finds nothing in the text, and does find `misspelt`, a key, when its end is missing."""
        for changed, fits in ((text, True), (text.replace(misspelt, misspelt[:-1]), False)):
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(changed)
                file.flush()
                done = subprocess.run([os.path.join(TOOLS, command[0]), *command[1:], file.name],
                                      capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode == 0, fits, done.stdout + done.stderr)

    def test_kubernetes_fits_its_schema(self):
        with open(os.path.join(DEPLOY, "kubernetes.yaml"), encoding="utf-8") as file:
            self.assert_checked(file.read(), "readOnlyRootFilesystem", "kubernetes-validate",
                                "--strict")

    def test_compose_fits_its_schema(self):
        with open(os.path.join(DEPLOY, "compose.yaml"), encoding="utf-8") as file:
            self.assert_checked(file.read(), "security_opt", "check-jsonschema",
                                "--builtin-schema", "vendor.compose-spec")

    def test_cloud_run_fits_the_schema_of_pods(self):
        """Cloud Run takes a subset of a pod, and two settings of Knative."""
        template = yaml.safe_load(cloud_run("project", "region").stdout)["spec"]["template"]
        spec = {name: value for name, value in template["spec"].items()
                if name not in ("containerConcurrency", "timeoutSeconds")}
        self.assertEqual(len(spec), len(template["spec"]) - 2)
        container = spec["containers"][0]
        container["name"] = "weir"  # goes without saying, as do the ports of probes
        for probe in ("startupProbe", "livenessProbe"):
            container[probe]["httpGet"]["port"] = 8080
        pod = {"apiVersion": "v1", "kind": "Pod",
               "metadata": {"name": "weir", **template["metadata"]}, "spec": spec}
        self.assert_checked(yaml.safe_dump(pod), "livenessProbe", "kubernetes-validate", "--strict")

    def test_kubernetes_hardens(self):
        kinds = {}
        for document in documents("kubernetes.yaml"):
            kinds.setdefault(document["kind"], []).append(document)
        for kind in ("Deployment", "Service", "HorizontalPodAutoscaler", "NetworkPolicy",
                     "PodDisruptionBudget"):
            self.assertIn(kind, kinds)
        pod = kinds["Deployment"][0]["spec"]["template"]["spec"]
        container = pod["containers"][0]
        self.assertTrue(pod["securityContext"]["runAsNonRoot"])
        self.assertEqual(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault")
        self.assertFalse(pod["automountServiceAccountToken"])
        self.assertEqual(container["securityContext"],
                         {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                          "capabilities": {"drop": ["ALL"]}})
        grace = int(kinds["ConfigMap"][0]["data"]["SHUTDOWN_GRACE"].removesuffix("s"))
        pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        self.assertLess(pause + grace, pod["terminationGracePeriodSeconds"])

    def test_compose_hardens(self):
        service = documents("compose.yaml")[0]["services"]["weir"]
        self.assertTrue(service["read_only"])
        self.assertEqual(service["cap_drop"], ["ALL"])
        self.assertIn("no-new-privileges:true", service["security_opt"])
        for word in ("noexec", "nosuid", "nodev"):
            self.assertIn(word, service["tmpfs"][0])
        for port in service["ports"]:
            self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_cloud_run(self):
        done = cloud_run("project", "region")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("${", done.stdout)
        service = yaml.safe_load(done.stdout)
        container = service["spec"]["template"]["spec"]["containers"][0]
        self.assertEqual(container["image"], CLOUD_RUN["IMAGE"])
        # A port named h2c would bring REST as HTTP/2, too.
        self.assertNotIn("name", container["ports"][0])
        self.assertNotIn("z", container["livenessProbe"]["httpGet"]["path"][-1:])

    def test_cloud_run_says_what_is_missing(self):
        done = cloud_run("project", "region", JWT_ISSUER="")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertIn("set JWT_ISSUER", done.stderr)
        done = cloud_run("project", "region", IMAGE="a\"\nb")
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertEqual(cloud_run("project").returncode, 2)


class Materials(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bill = subprocess.run([os.path.join(DEPLOY, "sbom"), RELEASE], capture_output=True,
                                  text=True, timeout=120)

    def test_every_library_is_known_pinned_and_allowed(self):
        self.assertEqual((self.bill.returncode, self.bill.stderr), (0, ""))
        names = {c["name"] for c in json.loads(self.bill.stdout)["components"]}
        self.assertLessEqual({"libgrpc29", "libh2o0.13", "libssl3", "libc6"}, names)

    def test_it_is_cyclonedx(self):
        check = ("import sys; from cyclonedx.schema import SchemaVersion; "
                 "from cyclonedx.validation.json import JsonStrictValidator; "
                 "wrong = JsonStrictValidator(SchemaVersion.V1_5).validate_str(sys.stdin.read()); "
                 "print(wrong); sys.exit(wrong is not None)")
        python = os.path.join(TOOLS, "python")
        good = self.bill.stdout
        for text, fits in ((good, True), (good.replace('"library"', '"librarie"'), False)):
            done = subprocess.run([python, "-c", check], input=text, capture_output=True,
                                  text=True, timeout=120)
            self.assertEqual(done.returncode == 0, fits, done.stdout + done.stderr)


if __name__ == "__main__":
    main()
