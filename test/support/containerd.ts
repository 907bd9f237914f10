/** containerd, with all its state on the machine of the test. */
import type { EngineOptions } from './engine.ts';
import { REPOSITORY } from './under-test.ts';

/** Its shims join a cgroup that ctr names; the snapshots lie on a real file system. */
const SET_UP = `
cat >$DIRECTORY/config.toml <<END
version = 2
root = "$DIRECTORY/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
END
containerd --config $DIRECTORY/config.toml >$DIRECTORY/containerd.log 2>&1 &
until ctr version >/dev/null 2>&1; do sleep 0.1; kill -0 $! || { cat $DIRECTORY/containerd.log; exit 1; }; done
ctr image import ${REPOSITORY}/.cache/images/busybox.tar`;

export const CONTAINERD: EngineOptions = { name: 'containerd', environment: () => ({}), setUp: SET_UP };
