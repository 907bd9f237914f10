/** podman, with storage and configuration of its own. */
import type { EngineOptions } from './engine.ts';
import { REPOSITORY } from './under-test.ts';

/** The limits that podman asks for by default are higher than what a root without CAP_SYS_RESOURCE may give. */
const SET_UP = `
cat >$CONTAINERS_STORAGE_CONF <<END
[storage]
driver = "overlay"
graphroot = "$DIRECTORY/storage"
runroot = "/run/storage"
END
cat >$CONTAINERS_CONF <<END
[containers]
default_ulimits = ["nofile=$(ulimit -Hn):$(ulimit -Hn)", "nproc=4096:4096"]
[engine]
runtime = "$RUNTIME"
runtime_supports_json = ["$RUNTIME"]
cgroup_manager = "cgroupfs"
events_logger = "file"
helper_binaries_dir = ["/usr/lib/podman", "/usr/libexec/podman", "/usr/bin"]
[engine.runtimes]
"$RUNTIME" = ["$RUNTIME_PATH"]
[network]
network_backend = "netavark"
network_config_dir = "$DIRECTORY/networks"
END
podman load -q -i ${REPOSITORY}/.cache/images/busybox.tar
podman tag localhost/busybox docker.io/library/busybox`;

export const PODMAN: EngineOptions = {
  name: 'podman',
  environment: ({ directory }) => ({
    CONTAINERS_CONF: `${directory}/containers.conf`,
    CONTAINERS_STORAGE_CONF: `${directory}/storage.conf`,
  }),
  setUp: SET_UP,
};
