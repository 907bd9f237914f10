/** Docker with tsrun-oci as its default runtime: every call says what it says with runc. */
import { describe, expect, test } from 'vitest';
import { DOCKER } from '../support/docker.ts';
import { useEngine } from '../support/engine.ts';

const docker = useEngine(DOCKER);

describe('run', () => {
  test('prints, and returns the status of the program; of what is no program 127 and 126', async () => {
    const said = await docker.say(`
      docker info --format '{{.DefaultRuntime}} {{.CgroupDriver}}'
      docker run --rm --network none busybox echo hello; echo "status $?"
      docker run --rm --network none --runtime tested busybox sh -c 'exit 9'; echo "status $?"
      docker run --rm --network none busybox nope; echo "status $?"
      docker run --rm --network none busybox /etc; echo "status $?"
      echo input | docker run --rm -i --network none busybox cat`);
    expect(said).toMatch(/^tested cgroupfs\nhello\nstatus 0\nstatus 9\n/);
    expect(said).toMatch(/exec: "nope": executable file not found in \$PATH.*\nstatus 127\n/);
    expect(said).toMatch(/exec: "\/etc": permission denied.*\nstatus 126\n/);
    expect(said).toMatch(/\ninput\n$/);
  });

  test('-it: a terminal of the size of the caller', async () => {
    const said = await docker.say(
      `script -qec "stty rows 33 cols 77; docker run --rm -it --network none busybox sh -c 'sleep 1; tty; stty size'" /dev/null`,
    );
    expect(said).toContain('/dev/pts/0\n33 77\n');
  });

  test('on a bridge, with a published port and a volume', async () => {
    const said = await docker.say(`
      docker run -d --name server -p 127.0.0.1:8080:80 -v kept:/data busybox sh -c 'echo here >/data/a; nc -ll -p 80 -e cat /data/a' >/dev/null
      address=$(docker inspect server --format '{{.NetworkSettings.IPAddress}}')
      docker run --rm busybox sh -c "until nc -w 5 $address 80 </dev/null 2>/dev/null; do sleep 0.1; done"
      busybox nc -w 5 127.0.0.1 8080 </dev/null
      docker run --rm --network none --read-only --tmpfs /tmp -v kept:/data:ro busybox sh -c 'cat /data/a; touch /tmp/x /y 2>&1'; echo "status $?"
      docker rm -f server; docker volume rm kept`);
    expect(said).toMatch(/^here\nhere\nhere\ntouch: /);
  });

  test('with limits and rights', async () => {
    const said = await docker.say(`
      docker run --rm --network none -m 32m --pids-limit 33 --cpus 0.5 --cpuset-cpus 0 --ulimit nofile=77:88 busybox sh -c '
        cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpuset/cpuset.cpus
        ulimit -n; ulimit -Hn; id; grep -E "^(Cap|Sec|NoNew|Groups)" /proc/self/status'
      docker run --rm --network none --user 1000:7 --group-add 8 --cap-drop all --security-opt no-new-privileges busybox \\
        sh -c 'id; grep -E "^(Cap|Sec|NoNew)" /proc/self/status'
      docker run --name c1 --network none -m 8m busybox sh -c 'x=$(tr "\\0" x </dev/zero | head -c 64m)'; echo "status $?"
      docker inspect c1 --format '{{.State.OOMKilled}}'; docker rm c1`);
    expect(said).toMatch(/^33554432\n33\n50000\n0\n77\n88\n/);
    expect(said).toMatch(/\nstatus 137\ntrue\nc1\n$/);
  });
});

describe('a container that runs', () => {
  test('exec: status, user, terminal, and what is not there', async () => {
    const said = await docker.say(`
      docker run -d --name c1 --network none busybox sleep 300 >/dev/null
      docker exec c1 sh -c 'echo in; id; exit 4'; echo "status $?"
      docker exec -u 1000:5 -w /tmp -e A=b c1 sh -c 'id; pwd; echo $A'
      docker exec c1 nope; echo "status $?"; docker exec c1 /etc; echo "status $?"
      echo input | docker exec -i c1 cat
      script -qec "stty rows 33 cols 77; docker exec -it c1 sh -c 'sleep 1; tty; stty size'" /dev/null
      docker rm -f c1; docker exec c1 true; echo "status $?"`);
    expect(said).toMatch(/^in\nuid=0\(root\).*\nstatus 4\n/);
    expect(said).toMatch(/exec: "nope": executable file not found in \$PATH.*\nstatus 12[67]\n/);
    expect(said).toContain('33 77\n');
  });

  test('pause, top, logs, kill, wait', async () => {
    const said = await docker.say(`
      docker run -d --name c1 --network none busybox sh -c 'echo begin; exec sleep 300' >/dev/null
      docker pause c1; docker inspect c1 --format '{{.State.Status}}'; docker exec c1 true; echo "status $?"
      docker unpause c1; docker inspect c1 --format '{{.State.Status}}'
      docker top c1 -o args; docker logs c1; docker kill c1; docker wait c1; docker rm c1`);
    expect(said).toMatch(/^c1\npaused\n/);
    expect(said).toMatch(/\nbegin\nc1\n137\nc1\n$/);
  });

  test('update, and stats', async () => {
    const said = await docker.say(`
      docker run -d --name c1 --network none -m 32m --memory-swap 64m busybox sleep 300 >/dev/null
      docker update --memory 64m --memory-swap 128m --cpus 0.25 --pids-limit 44 --restart no c1
      docker exec c1 sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us pids/pids.max'
      docker stats --no-stream --format '{{.Name}} {{.PIDs}} {{.MemUsage}}' c1 | sed 's/ [^ ]* \\/ / /'
      docker rm -f c1`);
    expect(said).toMatch(/^c1\n67108864\n25000\n44\nc1 1 64MiB\nc1\n$/);
  });

  test('stop, start, restart, and restart policies', async () => {
    const said = await docker.say(`
      docker run -d --name c1 --network none busybox sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.1; done' >/dev/null
      docker stop -t 60 c1; docker inspect c1 --format '{{.State.Status}} {{.State.ExitCode}}'
      docker start c1; docker restart -t 60 c1; docker inspect c1 --format '{{.State.Status}}'; docker rm -f c1
      docker run -d --name again --network none --restart on-failure:2 busybox sh -c 'echo turn; exit 5' >/dev/null
      until docker inspect again --format '{{.State.Status}} {{.RestartCount}}' | grep 'exited 2'; do sleep 0.2; done
      docker logs again; docker rm again`);
    expect(said).toContain('exited 3\n');
    expect(said).toMatch(/exited 2\nturn\nturn\nturn\nagain\n$/);
  });

  test('healthcheck, commit, diff, cp', async () => {
    const said = await docker.say(`
      docker run -d --name c1 --network none --health-cmd 'test -e /well' --health-interval 1s --health-retries 1 busybox sleep 300 >/dev/null
      state() { docker inspect c1 --format '{{.State.Health.Status}}'; }
      until state | grep unhealthy; do sleep 0.2; done
      docker exec c1 touch /well; until state | grep -x healthy; do sleep 0.2; done
      docker diff c1; docker commit c1 made >/dev/null; docker run --rm --network none made ls /well
      docker cp c1:/well - | tar -t; docker rm -f c1; docker rmi made >/dev/null`);
    expect(said).toBe('unhealthy\nhealthy\nA /well\n/well\nwell\nc1\n');
  });

  test('build', async () => {
    const said = await docker.say(`
      printf 'FROM busybox\\nRUN echo made >/file && id -u\\nCMD cat /file\\n' | DOCKER_BUILDKIT=0 docker build -q -t built - >/dev/null
      docker run --rm --network none built; docker rmi built >/dev/null`);
    expect(said).toBe('made\n');
  });
});

describe('swarm', () => {
  test('a service: replicas, scaling, limits, and a task that is replaced', async () => {
    const said = await docker.say(`
      docker swarm init --advertise-addr 127.0.0.1 >/dev/null; echo "status $?"
      running() { until [ $(docker ps -q --filter label=com.docker.swarm.service.name=s | wc -l) = $1 ]; do sleep 0.2; done; }
      docker service create -d --no-resolve-image --name s --replicas 2 --limit-memory 32m --restart-delay 0s busybox sleep 300 >/dev/null
      running 2; docker service ls --format '{{.Name}} {{.Replicas}}'
      for id in $(docker ps -q); do
        docker inspect $id --format '{{.HostConfig.Runtime}}'; docker exec $id cat /sys/fs/cgroup/memory/memory.limit_in_bytes
      done
      docker service scale -d s=3; running 3
      gone=$(docker ps -q | head -1); docker kill $gone >/dev/null
      until docker ps -aq --filter status=exited | grep -q $gone; do sleep 0.2; done
      running 3; docker service ls --format '{{.Name}} {{.Replicas}}'
      docker service rm s; until [ -z "$(docker ps -aq)" ]; do sleep 0.2; done
      docker swarm leave --force`);
    expect(said).toMatch(/^status 0\ns 2\/2\n(tested|<no value>)?\n33554432\n/);
    expect(said).toContain('s 3/3\n');
  });
});

test('nothing is left: no container of the engine, none of the runtime', async () => {
  const said = await docker.say(
    'docker ps -aq; find /run/docker -path "*runtime-*/moby/*"; ps -o comm | grep -c shim',
  );
  expect(said).toBe('0\n');
});
