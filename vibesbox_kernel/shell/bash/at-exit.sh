{ __vb_status=${__vb_left-$?} __vb_last=$BASH_COMMAND; [[ -e $__vb_cell/disabled ]] || \builtin enable -n >|"$__vb_cell/disabled"
\builtin enable "${__vb_builtins[@]}"; \builtin trap -p >|"$__vb_cell/state"; \builtin trap - DEBUG ERR RETURN; \builtin trap '' INT TERM
__vb_shopts=$BASHOPTS; \builtin shopt -u expand_aliases; \builtin . "$__vb_driver/finish.sh"; } >/dev/null 2>&1
