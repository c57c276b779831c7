# Writes version.c: what was built, and from what (O8).
function(git out)
  execute_process(COMMAND git -C ${SOURCE} ${ARGN} OUTPUT_VARIABLE text ERROR_QUIET
    OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
  if(failed OR NOT text MATCHES "^[A-Za-z0-9._/-]+$")
    set(text unknown)
  endif()
  set(${out} ${text} PARENT_SCOPE)
endfunction()

git(branch rev-parse --abbrev-ref HEAD)
git(commit rev-parse HEAD)
set(head "#include \"shared/base/version.h\"

const char weir_version[] = \"${VERSION}\";
const char weir_branch[] = \"${branch}\";
const char weir_commit[] = \"${commit}\";
const char weir_build_type[] = \"${TYPE}\";
")
# The time is that of the first build of a commit, so that nothing is linked anew for it.
if(EXISTS ${OUT})
  file(READ ${OUT} old)
  string(FIND "${old}" "${head}" found)
  if(found EQUAL 0)
    return()
  endif()
endif()
string(TIMESTAMP now "%Y-%m-%dT%H:%M:%SZ" UTC)
file(WRITE ${OUT} "${head}const char weir_build_time[] = \"${now}\";\n")
