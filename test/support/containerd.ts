/** containerd, with all its state on the machine of the test. */
import type { EngineOptions } from './engine.ts';
import { REPOSITORY } from './under-test.ts';

/** Nothing of it is at the places where that of the machine would be. */
export const START_CONTAINERD = `
cat >$DIRECTORY/config.toml <<END
version = 2
root = "$DIRECTORY/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[plugins."io.containerd.internal.v1.opt"]
path = "$DIRECTORY/opt"
END
containerd --config $DIRECTORY/config.toml >$DIRECTORY/containerd.log 2>&1 &
until ctr version >/dev/null 2>&1; do sleep 0.1; kill -0 $! || { cat $DIRECTORY/containerd.log; exit 1; }; done`;

export const CONTAINERD: EngineOptions = {
  name: 'containerd',
  environment: () => ({}),
  setUp: `${START_CONTAINERD}
ctr image import ${REPOSITORY}/.cache/images/busybox.tar`,
};
