/** podman with tsrun-oci: every call says what it says with runc. */
import { describe, expect, test } from 'vitest';
import { useEngine } from '../support/engine.ts';
import { PODMAN } from '../support/podman.ts';

const podman = useEngine(PODMAN);

describe('run', () => {
  test('prints, and returns the status of the program', async () => {
    const said = await podman.say(`
      podman run --rm --network none busybox echo hello; echo "status $?"
      podman run --rm --network none busybox sh -c 'exit 9'; echo "status $?"
      podman run --rm --network none busybox sh -c 'sleep 9 & kill -9 $!; wait $!'; echo "status $?"
      echo input | podman run --rm -i --network none busybox cat`);
    expect(said).toBe('hello\nstatus 0\nstatus 9\nKilled\nstatus 137\ninput\n');
  });

  test('of what is no program is 127 and 126, in the words of runc', async () => {
    const said = await podman.say(`
      podman run --rm --network none busybox nope; echo "status $?"
      podman run --rm --network none busybox /etc; echo "status $?"`);
    expect(said).toMatch(/exec: "nope": executable file not found in \$PATH.*\nstatus 127\n/);
    expect(said).toMatch(/exec: "\/etc": permission denied.*\nstatus 126\n/);
  });

  test('-it: a terminal of the size of the caller', async () => {
    // That its own input is over, script says by a NUL, which the terminal may show.
    const said = await podman.say(
      `script -qec "stty rows 33 cols 77; podman run --rm -it --network none busybox sh -c 'tty; stty size'" /dev/null </dev/null | tr -d '^@'`,
    );
    expect(said).toContain('/dev/pts/0\n33 77\n');
  });

  test('on a bridge: an address, and another container is reached', async () => {
    const said = await podman.say(`
      podman run -d --name server busybox sh -c 'echo here | nc -l -p 80' >/dev/null
      address=$(podman inspect server --format '{{.NetworkSettings.IPAddress}}')
      podman run --rm busybox nc -w 5 $address 80 </dev/null
      podman rm -f -t 0 server`);
    expect(said).toBe('here\nserver\n');
  });

  test('with limits: they are in the files of its cgroups', async () => {
    const said = await podman.say(`
      podman run --rm --network none -m 32m --pids-limit 33 --cpus 0.5 --cpuset-cpus 0 --ulimit nofile=77:88 --ulimit nproc=99:99 busybox sh -c '
        cd /sys/fs/cgroup
        cat memory/memory.limit_in_bytes pids/pids.max cpu/cpu.cfs_quota_us cpuset/cpuset.cpus
        ulimit -n; ulimit -Hn'`);
    expect(said).toBe('33554432\n33\n50000\n0\n77\n88\n');
  });

  test('--read-only, --tmpfs and volumes', async () => {
    const said = await podman.say(`
      podman run --rm --read-only --tmpfs /tmp --network none busybox sh -c 'touch /tmp/x && touch /y'; echo "status $?"
      podman run --rm --network none -v kept:/data busybox touch /data/a
      podman run --rm --network none -v kept:/data:ro busybox sh -c 'ls /data; touch /data/b 2>&1'; echo "status $?"
      podman volume rm kept
      mkdir $DIRECTORY/bound && podman run --rm --network none -v $DIRECTORY/bound:/data busybox touch /data/a
      ls $DIRECTORY/bound`);
    expect(said).toBe(
      `touch: /y: Read-only file system\nstatus 1\na\ntouch: /data/b: Read-only file system\nstatus 1\nkept\na\n`,
    );
  });

  test('rights: users, groups, capabilities, seccomp, masks', async () => {
    const said = await podman.say(`
      podman run --rm --network none busybox sh -c 'id; grep -E "^(Cap|Sec|NoNew|Groups)" /proc/self/status; umask'
      podman run --rm --network none --user 1000:7 --group-add 8 busybox sh -c 'id; grep -E "^(Cap|Sec|Groups)" /proc/self/status'
      podman run --rm --network none --cap-drop all --cap-add chown --security-opt no-new-privileges busybox \\
        grep -E '^(Cap|Sec|NoNew)' /proc/self/status
      podman run --rm --network none --privileged busybox grep -E '^(Cap|Sec)' /proc/self/status`);
    expect(said).toContain('Seccomp:\t2\n');
    expect(said).toContain('uid=1000(1000) gid=7(7) groups=7(7),8');
  });

  test('mounts are in the same places', async () => {
    // What hides a file or a directory has other options: there tsrun-oci allows less.
    const said = await podman.say(`
      podman run --rm --network none --hostname other --device /dev/fuse --shm-size 1m busybox sh -c '
        hostname; cut -d" " -f5- /proc/self/mountinfo; ls -l /dev | grep -v kcore' |
        sed -E 's/(master|shared):[0-9]+ //; s/lowerdir.*//; s,^(/proc/acpi|/sys/dev/block|/sys/firmware|/sys/fs/cgroup) .*,\\1,' |
        tr -s ' ' | cut -d' ' -f1-5 | sort`);
    expect(said).toMatch(/^\/dev\/shm .* tmpfs /m);
  });

  test('in a user namespace: --uidmap and --userns', async () => {
    const said = await podman.say(`
      podman run --rm --network none --uidmap 0:100000:5000 --gidmap 0:100000:5000 busybox sh -c '
        id; tr -s " " </proc/self/uid_map; touch /x && ls -ln /x | tr -s " " | cut -d" " -f3,4'
      printf 'containers:2000000:65536\\n' >/run/subid
      mount --bind /run/subid /etc/subuid; mount --bind /run/subid /etc/subgid
      podman run --rm --network none --userns auto:size=3000 busybox sh -c 'tr -s " " </proc/self/uid_map'; echo "status $?"
      umount /etc/subuid /etc/subgid`);
    expect(said).toContain(' 0 100000 5000\n0 0\n');
    expect(said).toContain(' 0 2000000 3000\nstatus 0\n');
  });
});

describe('a container that runs', () => {
  test('exec: status, user, groups, terminal, and what is not there', async () => {
    const said = await podman.say(`
      podman run -d --name c --network none busybox sleep 300 >/dev/null
      podman exec c sh -c 'echo in; id; exit 4'; echo "status $?"
      podman exec -u 1000 c id; podman exec -u 1000:5 -w /tmp -e A=b c sh -c 'id; pwd; echo $A'
      podman exec c nope; echo "status $?"
      podman exec c /etc; echo "status $?"
      echo input | podman exec -i c cat
      podman exec -d c sh -c 'echo done >/tmp/file; sleep 100' >/dev/null
      for try in 1 2 3 4 5 6 7 8 9; do podman exec c cat /tmp/file 2>/dev/null && break; done
      script -qec "stty rows 33 cols 77; podman exec -it c sh -c 'tty; stty size'" /dev/null </dev/null
      podman exec --privileged c grep CapEff /proc/self/status
      podman rm -f -t 0 c
      podman exec c true; echo "status $?"`);
    expect(said).toMatch(/^in\nuid=0\(root\) gid=0\(root\).*\nstatus 4\nuid=1000 gid=0\(root\)/);
    expect(said).toMatch(/exec: "nope": executable file not found in \$PATH.*\nstatus 127\n/);
    expect(said).toContain('33 77\n');
  });

  test('pause and unpause, top, ps, logs', async () => {
    const said = await podman.say(`
      podman run -d --name c --network none busybox sh -c 'echo begin; exec sleep 300' >/dev/null
      podman pause c; podman inspect c --format '{{.State.Status}}'; podman exec c true; echo "status $?"
      podman unpause c; podman inspect c --format '{{.State.Status}}'; podman exec c echo again
      podman top c pid args | tr -s ' '; podman logs c; podman kill -s TERM c; podman kill c
      podman wait c; podman inspect c --format '{{.State.Status}} {{.State.ExitCode}}'
      podman rm c`);
    expect(said).toMatch(/^c\npaused\n.*\nstatus 255\nc\nrunning\nagain\nPID COMMAND\n1 sleep 300 \nbegin\n/);
    expect(said).toContain('137\nexited 137\n');
  });

  test('update, and stats', async () => {
    const said = await podman.say(`
      podman run -d --name c --network none -m 32m busybox sleep 300 >/dev/null
      podman update --memory 64m --cpus 0.25 c
      podman exec c sh -c 'cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes cpu/cpu.cfs_quota_us'
      podman stats --no-stream --format '{{.Name}} {{.PIDs}} {{.MemUsage}}' c | sed 's/ [^ ]* \\/.*//'
      podman rm -f -t 0 c`);
    expect(said).toContain('67108864\n25000\n');
    expect(said).toMatch(/^c 1$/m);
  });

  test('stop, start, restart, and a restart policy', async () => {
    const said = await podman.say(`
      podman run -d --name c --network none busybox sh -c 'trap "exit 3" TERM; echo up; while :; do sleep 0.1; done' >/dev/null
      podman stop -t 60 c; podman inspect c --format '{{.State.Status}} {{.State.ExitCode}}'
      podman start c; podman restart -t 60 c; podman inspect c --format '{{.State.Status}}'
      podman rm -f -t 0 c
      podman run --name again --network none --restart on-failure:2 busybox sh -c 'echo turn; exit 5'; echo "status $?"
      podman wait again; podman logs again; podman inspect again --format '{{.RestartCount}}'; podman rm again`);
    expect(said).toContain('exited 3\n');
    expect(said).toMatch(/status 5\n5\nturn\nturn\nturn\n2\nagain\n$/);
  });

  test('healthcheck', async () => {
    const said = await podman.say(`
      podman run -d --name well --network none --health-cmd true busybox sleep 100 >/dev/null 2>&1
      podman run -d --name ill --network none --health-cmd 'exit 7' --health-retries 1 busybox sleep 100 >/dev/null 2>&1
      podman healthcheck run well; echo "status $?"; podman healthcheck run ill; echo "status $?"
      podman inspect well ill --format '{{.State.Health.Status}}'
      podman rm -f -t 0 well ill 2>/dev/null | sort`);
    expect(said).toMatch(/^status 0\nunhealthy\nstatus 1\nhealthy\nunhealthy\n/);
  });

  test('commit, diff, cp, export', async () => {
    const said = await podman.say(`
      podman run --name c --network none busybox sh -c 'echo text >/made'; podman diff c | sort
      podman commit -q c made >/dev/null; podman run --rm --network none made cat /made
      podman cp c:/made - | tar -xO; podman export c | tar -t | grep made
      podman rm c; podman rmi made >/dev/null`);
    expect(said).toContain('text\ntext\nmade\nc\n');
  });
});

describe('pods', () => {
  test('share namespaces', async () => {
    const said = await podman.say(`
      podman pod create --name pod --hostname together --network none --share net,ipc,uts,pid >/dev/null
      podman run -d --name one --pod pod busybox sh -c 'nc -l -p 81 -e echo here' >/dev/null
      podman run --rm --pod pod busybox sh -c 'hostname; until nc -w 5 127.0.0.1 81 </dev/null 2>/dev/null; do sleep 0.1; done'
      podman run --rm --pod pod busybox ps -o args | sort
      podman pod ps --format '{{.Name}} {{.Status}}'
      podman pod pause pod >/dev/null; podman pod ps --format '{{.Status}}'; podman pod unpause pod >/dev/null
      podman pod rm -f -t 0 pod >/dev/null; podman ps -a -q`);
    expect(said).toMatch(/^together\nhere\n/);
    expect(said).toContain('/catatonit -P\n');
  });

  test('generate kube, and play it', async () => {
    const said = await podman.say(`
      podman run -d --name c --network none -e A=b busybox sleep 300 >/dev/null
      podman generate kube c >$DIRECTORY/kube.yaml; podman rm -f -t 0 c
      grep -vE '^#|creationTimestamp' $DIRECTORY/kube.yaml
      sed 's/name: c-pod/name: played/' -i $DIRECTORY/kube.yaml
      podman play kube --network none $DIRECTORY/kube.yaml >/dev/null; echo "status $?"
      podman exec played-c sh -c 'echo $A'
      podman play kube --down $DIRECTORY/kube.yaml; podman ps -a -q`);
    expect(said).toContain('status 0\nb\n');
  });
});

test('nothing is left: no container of the engine, none of the runtime', async () => {
  expect(
    await podman.say(
      'podman ps -a -q; podman pod ps -q; ls -A /run/$RUNTIME; ls /run/libpod/exits 2>/dev/null',
    ),
  ).toBe('');
});
