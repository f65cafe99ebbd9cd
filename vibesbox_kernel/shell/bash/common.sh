# What prepare.sh and startup.sh share: the variables that at-exit.sh, leave.sh and finish.sh look at.
__vb_early='' __vb_goodbye='' __vb_way=trap __vb_verbose='' __vb_wraps='' __vb_xtrace=''
# What these three need, should the user have disabled it with `enable -n` (`builtin` and `enable` must be there).
__vb_builtins=(: . alias compgen complete declare dirs eval exec exit hash kill local mapfile printf pwd read return set shopt trap
    ulimit umask unset wait)
builtin read -r -d '' __vb_trap <"$__vb_driver/at-exit.sh" || builtin :
