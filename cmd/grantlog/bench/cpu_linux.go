package bench

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// userHZ is the unit of times in /proc: 100 on every platform of Go on Linux.
const userHZ = 100

// cpuTime returns the user and system time that a process has used, all its
// threads together; false if it cannot be told.
func cpuTime(pid int) (time.Duration, bool) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, false
	}
	return parseStat(stat)
}

// parseStat reads utime and stime, fields 14 and 15 of proc_pid_stat(5). The
// second field, the name in parentheses, may hold spaces and parentheses.
func parseStat(stat []byte) (time.Duration, bool) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, false
	}
	user, userErr := strconv.ParseUint(string(fields[11]), 10, 62)
	system, systemErr := strconv.ParseUint(string(fields[12]), 10, 62)
	return time.Duration(user+system) * time.Second / userHZ, userErr == nil && systemErr == nil
}
