"""What crun's suite uses of libmount's Python binding, which Debian 12 does not have. The format: proc_pid_mountinfo(5)."""


class Mount:
    def __init__(self, line):
        vfs, filesystem = line.split(" - ")
        self.target = vfs.split(" ")[4]
        self.vfs_options = vfs.split(" ")[5]
        self.fs_options = filesystem.split(" ")[2]


class Table:
    def __init__(self, path):
        with open(path) as table:
            self.mounts = [Mount(line.rstrip("\n")) for line in table if " - " in line]

    def find_target(self, target):
        """The topmost of the mounts at a path."""
        return next((one for one in reversed(self.mounts) if one.target == target), None)
