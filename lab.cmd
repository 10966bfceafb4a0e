@echo off
rem The entry on Windows, as lab is elsewhere: checks for the SDK, builds, runs the program.
rem   lab            help              lab ablate           the main job
rem   lab COMMAND    any command       lab test [WORD]      the tests and the format check
rem   lab notebook   runs notebooks, installs the Jupyter kernel
setlocal
set "JEPAT_HOME=%~dp0"
if "%JEPAT_HOME:~-1%"=="\" set "JEPAT_HOME=%JEPAT_HOME:~0,-1%"
set "DOTNET_CLI_TELEMETRY_OPTOUT=1"
set "DOTNET_NOLOGO=1"
if not defined OMP_WAIT_POLICY set "OMP_WAIT_POLICY=PASSIVE"
if not defined Torch set "Torch=cpu"

dotnet --list-sdks 2>nul | findstr /b "10.0." >nul
if errorlevel 1 (
  echo lab: .NET SDK 10 was not found. Type this in a new window, then lab again: 1>&2
  echo   winget install Microsoft.DotNet.SDK.10 1>&2
  exit /b 1
)
if not exist "%JEPAT_HOME%\artifacts" mkdir "%JEPAT_HOME%\artifacts" || exit /b 1
if /i "%~1"=="test" goto test
if /i "%~1"=="pack" goto pack
if /i "%~1"=="notebook" goto notebook

rem dotnet build itself finds out whether something changed; it takes some seconds.
call :build src\JepaT.Lab || exit /b 1
if "%~1"=="" goto help
dotnet "%JEPAT_HOME%\artifacts\bin\JepaT.Lab\release\JepaT.Lab.dll" %*
exit /b %errorlevel%

:help
dotnet "%JEPAT_HOME%\artifacts\bin\JepaT.Lab\release\JepaT.Lab.dll" --help
echo     notebook       Run C# notebooks, install the Jupyter kernel (lab notebook --help)
echo     pack           Make the NuGet packages for notebooks in other hosts
echo     test [WORD]    Run the tests and the format check
exit /b %errorlevel%

:pack
pushd "%JEPAT_HOME%"
for %%p in (JepaT.Model JepaT.Lab) do dotnet pack src\%%p -c Release --nologo -v q "-p:Torch=%Torch%" -o artifacts\packages || exit /b 1
popd
rem NuGet takes a version that it has unpacked once from its own folder for ever.
if not defined NUGET_PACKAGES set "NUGET_PACKAGES=%USERPROFILE%\.nuget\packages"
rd /s /q "%NUGET_PACKAGES%\jepat.model" "%NUGET_PACKAGES%\jepat.lab" 2>nul
if /i "%~2"=="--no-register" exit /b 0
dotnet nuget remove source jepat >nul 2>&1
dotnet nuget add source "%JEPAT_HOME%\artifacts\packages" --name jepat
exit /b %errorlevel%

:notebook
rem A front end that waits for its kernel does not wait for a build.
if /i "%~2"=="kernel" if exist "%JEPAT_HOME%\artifacts\bin\JepaT.Notebooks\release\JepaT.Notebooks.dll" goto run_notebook
call :build src\JepaT.Notebooks || exit /b 1
:run_notebook
dotnet "%JEPAT_HOME%\artifacts\bin\JepaT.Notebooks\release\JepaT.Notebooks.dll" %*
exit /b %errorlevel%

:test
call :build JepaT.sln || exit /b 1
set "failed=0"
pushd "%JEPAT_HOME%"
if "%~2"=="" (
  dotnet format JepaT.sln --verify-no-changes --no-restore || set "failed=1"
  dotnet test JepaT.sln --no-build -c Release --nologo || set "failed=1"
) else (
  dotnet test JepaT.sln --no-build -c Release --nologo --filter "FullyQualifiedName~%~2" || set "failed=1"
)
popd
exit /b %failed%

:build
pushd "%JEPAT_HOME%"
dotnet build %1 -c Release --nologo -v q "-p:Torch=%Torch%" >"artifacts\build.log" 2>&1
set "built=%errorlevel%"
popd
if "%built%"=="0" exit /b 0
echo lab: the build failed: 1>&2
findstr /c:": error " "%JEPAT_HOME%\artifacts\build.log" 1>&2
if errorlevel 1 type "%JEPAT_HOME%\artifacts\build.log" 1>&2
exit /b 1
