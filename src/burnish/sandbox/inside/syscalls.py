"""The system calls a judged program may make, as `name:x86-64 number:aarch64 number` (-1: that machine has none).

`ALLOWED` is what the interpreter, threads, files, pipes and timers need. `HOSTILE` has no honest use in a judged
program and ends it at once. Whatever stands in neither fails with "not permitted". Calls whose arguments matter
(`INSPECTED`) are handled in `seccomp`. Numbers are from the kernel's own headers.
"""

ALLOWED = """
read:0:63 write:1:64 readv:19:65 writev:20:66 pread64:17:67 pwrite64:18:68 preadv:295:69 pwritev:296:70 preadv2:327:286 pwritev2:328:287
lseek:8:62 close:3:57 close_range:436:436 dup:32:23 dup2:33:-1 dup3:292:24 flock:73:32 fsync:74:82
fdatasync:75:83 sync_file_range:277:84 ftruncate:77:46 truncate:76:45 fallocate:285:47 fadvise64:221:223 sendfile:40:71
copy_file_range:326:285 open:2:-1 openat:257:56 openat2:437:437 creat:85:-1 access:21:-1 faccessat:269:48 faccessat2:439:439 stat:4:-1
fstat:5:80 lstat:6:-1 newfstatat:262:79 statx:332:291 statfs:137:43 fstatfs:138:44 readlink:89:-1 readlinkat:267:78 getdents:78:-1
getdents64:217:61 getcwd:79:17 chdir:80:49 fchdir:81:50 mkdir:83:-1 mkdirat:258:34 rmdir:84:-1 unlink:87:-1 unlinkat:263:35 rename:82:-1
renameat:264:38 renameat2:316:276 link:86:-1 linkat:265:37 symlink:88:-1 symlinkat:266:36 chmod:90:-1 fchmod:91:52 fchmodat:268:53
fchmodat2:452:452 utime:132:-1 utimes:235:-1 utimensat:280:88 futimesat:261:-1 umask:95:166 munmap:11:215 mremap:25:216
mprotect:10:226 brk:12:214 msync:26:227 mincore:27:232 mlock:149:228 munlock:150:229 membarrier:324:283 poll:7:-1
ppoll:271:73 select:23:-1 pselect6:270:72 epoll_create:213:-1 epoll_create1:291:20 epoll_ctl:233:21 epoll_wait:232:-1 epoll_pwait:281:22
epoll_pwait2:441:441 eventfd:284:-1 eventfd2:290:19 pipe:22:-1 pipe2:293:59 socketpair:53:199 timerfd_create:283:85
timerfd_settime:286:86 timerfd_gettime:287:87 signalfd:282:-1 signalfd4:289:74 sendmsg:46:211 recvmsg:47:212 sendto:44:206
recvfrom:45:207 getsockopt:55:209 setsockopt:54:208 getsockname:51:204 getpeername:52:205 rt_sigaction:13:134 rt_sigprocmask:14:135
rt_sigreturn:15:139 rt_sigpending:127:136 rt_sigsuspend:130:133 rt_sigtimedwait:128:137 rt_sigqueueinfo:129:138 sigaltstack:131:132
restart_syscall:219:128 kill:62:129 tgkill:234:131 tkill:200:130 alarm:37:-1 pause:34:-1 setitimer:38:103 getitimer:36:102
nanosleep:35:101 clock_nanosleep:230:115 clock_gettime:228:113 clock_getres:229:114 gettimeofday:96:169 time:201:-1 times:100:153
timer_create:222:107 timer_settime:223:110 timer_gettime:224:108 timer_getoverrun:225:109 timer_delete:226:111 wait4:61:260
waitid:247:95 exit:60:93 exit_group:231:94 set_tid_address:218:96 set_robust_list:273:99 get_robust_list:274:100 rseq:334:293
futex:202:98 futex_waitv:449:449 arch_prctl:158:-1 getpid:39:172 getppid:110:173 gettid:186:178 getuid:102:174 geteuid:107:175
getgid:104:176 getegid:108:177 getresuid:118:148 getresgid:120:150 getgroups:115:158 getpgrp:111:-1 getpgid:121:155 getsid:124:156
getrlimit:97:163 setrlimit:160:164 getrusage:98:165 getpriority:140:141 uname:63:160 sysinfo:99:179 getrandom:318:278 getcpu:309:168
sched_yield:24:124 sched_getaffinity:204:123 sched_getparam:143:121 sched_getscheduler:145:120 sched_get_priority_max:146:125
sched_get_priority_min:147:126 sched_rr_get_interval:148:127 pidfd_open:434:434 pidfd_send_signal:424:424
"""

FORK = """
fork:57:-1 vfork:58:-1
"""

COMPUTING = """
read:0:63 write:1:64 brk:12:214 mmap:9:222 munmap:11:215 mremap:25:216 madvise:28:233 futex:202:98 rt_sigreturn:15:139
restart_syscall:219:128 exit:60:93 exit_group:231:94
"""

EXEC = """
execve:59:221 execveat:322:281
"""

SIGNALS = """
kill:62:129 tkill:200:130 tgkill:234:131 rt_sigqueueinfo:129:138 rt_tgsigqueueinfo:297:240 pidfd_send_signal:424:424
"""

HOSTILE = """
ptrace:101:117 process_vm_readv:310:270 process_vm_writev:311:271 kcmp:312:272 mount:165:40 umount2:166:39 pivot_root:155:41
chroot:161:51 unshare:272:97 setns:308:268 bpf:321:280 perf_event_open:298:241 io_uring_setup:425:425 io_uring_enter:426:426
io_uring_register:427:427 keyctl:250:219 add_key:248:217 request_key:249:218 kexec_load:246:104 kexec_file_load:320:294
userfaultfd:323:282 init_module:175:105 finit_module:313:273 delete_module:176:106 reboot:169:142 swapon:167:224 swapoff:168:225
open_by_handle_at:304:265 name_to_handle_at:303:264 pidfd_getfd:438:438 process_madvise:440:440 process_mrelease:448:448
move_mount:429:429 open_tree:428:428 fsopen:430:430 fsconfig:431:431 fsmount:432:432 fspick:433:433 mount_setattr:442:442
quotactl:179:60 acct:163:89 syslog:103:116 settimeofday:164:170 clock_settime:227:112 adjtimex:159:171 clock_adjtime:305:266 iopl:172:-1
ioperm:173:-1 modify_ldt:154:-1 lookup_dcookie:212:18 vhangup:153:58
"""

INSPECTED = """
clone:56:220 clone3:435:435 prctl:157:167 prlimit64:302:261 sched_setaffinity:203:122 fcntl:72:25 ioctl:16:29 madvise:28:233 mmap:9:222
"""
