/** Docker's daemon, with all its state on the machine of the test, and the runtime as the default one. */
import { START_CONTAINERD } from './containerd.ts';
import type { EngineOptions } from './engine.ts';
import { REPOSITORY } from './under-test.ts';

/** dockerd keeps a key in /etc/docker, wherever else its state is. It is at DOCKER_HOST when this has run. */
export const START_DOCKERD = `${START_CONTAINERD}
mount -t tmpfs docker /etc/docker
dockerd --data-root $DIRECTORY/docker --exec-root /run/docker --pidfile /run/docker.pid --host $DOCKER_HOST \\
  --containerd /run/containerd/containerd.sock --exec-opt native.cgroupdriver=cgroupfs $DOCKERD_FLAGS \\
  >$DIRECTORY/dockerd.log 2>&1 &
until docker version >/dev/null 2>&1; do sleep 0.1; kill -0 $! || { cat $DIRECTORY/dockerd.log; exit 1; }; done`;

export const DOCKER: EngineOptions = {
  name: 'docker',
  // The client of Debian's package, not one that was put before it.
  environment: ({ runtimePath }) => ({
    PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
    DOCKER_HOST: 'unix:///run/docker.sock',
    DOCKERD_FLAGS: `--add-runtime tested=${runtimePath} --default-runtime tested`,
  }),
  setUp: `${START_DOCKERD}
docker import ${REPOSITORY}/.cache/images/busybox.layer.tar busybox`,
  // docker run has two questions open when a container does not start; the answers come in any order.
  chance: /error waiting for container: context canceled/,
};
