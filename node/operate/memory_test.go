package operate

import (
	"testing"
	"testing/fstest"
)

// I7: the limit of a control group is found, in both versions, whichever of the
// groups above sets it, and also where a container hides them.
func TestGroupLimit(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"version 2": {map[string]string{
			"proc/self/cgroup":                                     "0::/system.slice/comity.service\n",
			"sys/fs/cgroup/system.slice/memory.max":                "max\n",
			"sys/fs/cgroup/system.slice/comity.service/memory.max": "536870912\n",
		}, 512 << 20},
		"version 2, a group above is narrower": {map[string]string{
			"proc/self/cgroup":             "0::/a/b\n",
			"sys/fs/cgroup/a/memory.max":   "1000000\n",
			"sys/fs/cgroup/a/b/memory.max": "2000000\n",
		}, 1000000},
		"version 2, in a container": {map[string]string{
			"proc/self/cgroup":         "0::/../host/path\n",
			"sys/fs/cgroup/memory.max": "3000000\n",
		}, 3000000},
		"version 1": {map[string]string{
			"proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/1\n0::/\n",
			"sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": "4000000\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":          "9223372036854771712\n",
		}, 4000000},
		"no limit": {map[string]string{
			"proc/self/cgroup":           "0::/a\n",
			"sys/fs/cgroup/a/memory.max": "max\n",
		}, 0},
		"no control groups": {nil, 0},
		"nonsense":          {map[string]string{"proc/self/cgroup": "what\n0::\n:::\n", "sys/fs/cgroup/memory.max": "-5"}, 0},
	} {
		root := fstest.MapFS{}
		for path, text := range c.files {
			root[path] = &fstest.MapFile{Data: []byte(text)}
		}
		if got, ok := groupLimit(root); got != c.want || ok != (c.want > 0) {
			t.Errorf("%s: %d, %v; want %d", name, got, ok, c.want)
		}
	}
}
